package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

const healthPath = "/health"

// A world is all services and their clients.
type world struct {
	fleets    []*fleet
	client    *istio.Client
	upstreams []*upstream.Upstream // one for each fleet
	callers   []*caller
	version   int

	stop    context.CancelFunc
	running sync.WaitGroup
}

func newWorld() (*world, error) {
	w := &world{fleets: fleets()}
	for _, f := range w.fleets {
		for range each {
			if err := f.replace(); err != nil {
				return nil, err
			}
		}
	}
	config, err := describe(w.fleets, 0)
	if err != nil {
		return nil, err
	}
	if w.client, err = istio.NewClient(config, istio.ClientConfig{}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	for _, f := range w.fleets {
		u, err := upstream.New(assembled(f, 0))
		if err != nil {
			return nil, err
		}
		w.upstreams = append(w.upstreams, u)
		w.running.Go(func() { u.Run(ctx) }) //nolint:errcheck // it ends when told
		bound, err := timeout.New(timeout.Config{Total: late / 2})
		if err != nil {
			return nil, err
		}
		native := http.RoundTripper(u)
		if f.rough {
			native = bound.Transport(u)
		}
		w.call("yaml "+f.name, f, w.client)
		w.call("code "+f.name, f, native)
	}
	return w, nil
}

func (w *world) call(name string, f *fleet, client http.RoundTripper) {
	c := &caller{name: name, host: f.host(), rough: f.rough}
	c.client = access.Sink(c.ledger.tell).Transport(client)
	w.callers = append(w.callers, c)
}

// assembled is an upstream for a fleet, as its version-th configuration has it.
func assembled(f *fleet, version int) upstream.Config {
	c := upstream.Config{
		Name:        f.name,
		Endpoints:   lb.Addrs(f.addrs()...),
		Breaker:     breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: 1024 + version%2}},
		Ejection:    outlier.Config{Interval: time.Second, BaseEjection: 2 * time.Second},
		Health:      upstream.Health{Interval: 2 * time.Second, Path: healthPath},
		Connections: upstream.Connections{Protocol: upstream.HTTP1, MaxAge: 20 * time.Second},
	}
	if f.http2 {
		c.Connections.Protocol = upstream.HTTP2
	}
	if f.rough {
		c.Retry = retry.Config{
			Attempts: 3, On: []retry.Condition{retry.ServerError}, PerTry: 150 * time.Millisecond,
			Hedge: retry.Hedge{After: 100 * time.Millisecond, Max: 1},
		}
		c.Breaker.Trip = breaker.Trip{Consecutive: 20, Open: time.Second}
	}
	return c
}

// leave ends the servers that are out of the configuration.
func (w *world) leave() error {
	for _, f := range w.fleets {
		if err := f.leave(); err != nil {
			return err
		}
	}
	return nil
}

// change replaces a server of each fleet and gives both clients what follows.
func (w *world) change() error {
	w.version++
	for _, f := range w.fleets {
		if err := f.replace(); err != nil {
			return err
		}
	}
	config, err := describe(w.fleets, w.version)
	if err != nil {
		return err
	}
	if err := w.client.Update(config); err != nil {
		return err
	}
	for i, u := range w.upstreams {
		if w.version%2 == 0 {
			err = u.SetEndpoints(lb.Addrs(w.fleets[i].addrs()...))
		} else {
			err = u.Update(assembled(w.fleets[i], w.version))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settled is idle, after what ends in the background, such as hedges that have lost,
// was given the time to do so.
func (w *world) settled() error {
	for limit := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		if err := w.idle(); err == nil || time.Now().After(limit) {
			return err
		}
	}
}

// idle is nil if, while nobody sends, nothing is under way and every request is
// accounted for.
func (w *world) idle() error {
	var all []error
	for _, c := range w.callers {
		if err := c.ledger.check(); err != nil {
			all = append(all, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	for _, u := range w.upstreams {
		s := u.Stats()
		if s.Limits.Requests != 0 || s.Limits.Pending != 0 || s.Connections.Waiting != 0 {
			all = append(all, fmt.Errorf("code %s: %d requests are under way, %d wait, %d wait for a connection",
				u.Name(), s.Limits.Requests, s.Limits.Pending, s.Connections.Waiting))
		}
		for h := range u.Balancer().Hosts() {
			if h.Active() != 0 {
				all = append(all, fmt.Errorf("code %s: %d requests are under way to %s", u.Name(), h.Active(), h.Addr()))
			}
		}
	}
	return errors.Join(all...)
}

// sent is the number of requests so far.
func (w *world) sent() int64 {
	var n int64
	for _, c := range w.callers {
		n += c.ledger.sent.Load()
	}
	return n
}

// String says what became of the world, as far as upstreams count it.
func (w *world) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d reloads", w.version)
	for _, u := range w.upstreams {
		s := u.Stats()
		fmt.Fprintf(&b, "\ncode %s: %d retries, %d hedges, %d ejections, %d trips of the circuit, %d connections opened, %d failed",
			u.Name(), s.Retries.Retries, s.Retries.Hedges, s.Ejections.Enforced, s.Breaker.Trips, s.Connections.Opened, s.Connections.Failed)
	}
	return b.String()
}

// close ends clients and servers.
func (w *world) close() error {
	w.stop()
	w.running.Wait()
	closers := []io.Closer{w.client}
	for _, u := range w.upstreams {
		closers = append(closers, u)
	}
	var err error
	for _, c := range closers {
		err = errors.Join(err, c.Close())
	}
	for _, f := range w.fleets {
		f.end()
	}
	return err
}
