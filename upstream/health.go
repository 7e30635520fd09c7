package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
)

// checksAtOnce is how many endpoints are checked at a time.
const checksAtOnce = 64

// health is what checks have found of one host.
type health struct {
	good, bad int  // in a row
	out       bool // it is not to be used by what they found, or by its own word
}

// Run checks the health of endpoints, where [Config.Health] asks for it, until ctx
// ends or the upstream is closed; it returns the cause of the end of ctx, or nil.
// Endpoints that are set anew are checked at once. One Run at a time is enough.
func (u *Upstream) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(u.ending, func() { cancel(ErrClosed) })()
	found := make(map[*lb.Host]*health)
	var next time.Time // when all are due
	for {
		u.mu.Lock()
		config := u.config
		u.mu.Unlock()
		h := config.Health.withDefaults()
		wait := time.Hour // an Update tells
		if h.Interval > 0 {
			now := time.Now()
			all := !now.Before(next)
			if all {
				next = now.Add(h.Interval)
			}
			u.checkHosts(ctx, config, h, found, all)
			wait = time.Until(next)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-u.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if err := context.Cause(ctx); err == ErrClosed {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// checkHosts checks all hosts once, or those that were never checked, and forgets
// those that are gone.
func (u *Upstream) checkHosts(ctx context.Context, c Config, h Health, found map[*lb.Host]*health, all bool) {
	for host := range found {
		if host.Removed() {
			delete(found, host)
		}
	}
	prober := newProber(c, h)
	defer prober.close()
	var wait sync.WaitGroup
	defer wait.Wait() // before the prober is closed
	room := make(chan struct{}, checksAtOnce)
	for host := range u.balancer.Hosts() {
		of := found[host]
		switch {
		case of == nil:
			of = new(health)
			found[host] = of
		case !all:
			continue
		}
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			err := prober.probe(ctx, host.Addr())
			if ctx.Err() == nil {
				u.found(host, of, h, err == nil)
			}
		})
	}
}

// found takes in the result of a check.
func (u *Upstream) found(host *lb.Host, of *health, h Health, good bool) {
	if !of.out && !host.Healthy() {
		*of = health{out: true} // it said so, see leaving: it has to pass as many as any other
	}
	if good {
		of.good, of.bad = of.good+1, 0
	} else {
		of.good, of.bad = 0, of.bad+1
	}
	switch {
	case host.Healthy() && of.bad >= h.Unhealthy:
		of.out = true
		host.SetHealthy(false)
	case !host.Healthy() && of.good >= h.Healthy:
		of.out = false
		host.SetHealthy(true)
		u.detector.Restore(host) // as Envoy's successful_active_health_check_uneject_host
	}
}

// A prober makes checks over connections of their own, to which the limits of the
// upstream do not apply.
type prober struct {
	health Health
	dial   dialFunc
	send   http.RoundTripper
	pool   *pool
}

func newProber(c Config, h Health) *prober {
	p := &prober{health: h, dial: c.Dial, send: c.Transport}
	if p.dial == nil {
		p.dial = new(net.Dialer).DialContext
	}
	if h.Path != "" && p.send == nil {
		p.pool = newPool(Connections{Protocol: c.Connections.Protocol}, newDialer(c.Connections, c.TLS, c.Dial), new(breaker.Limits))
		p.send = p.pool
	}
	return p
}

func (p *prober) close() {
	if p.pool != nil {
		p.pool.Close()
	}
}

// probe is nil if the endpoint is well.
func (p *prober) probe(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, p.health.Timeout)
	defer cancel()
	if p.health.Path == "" {
		c, err := p.dial(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+p.health.Path, nil)
	if err != nil {
		return err
	}
	if p.health.Host != "" {
		r.Host = p.health.Host
	}
	res, err := p.send.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, maxHeaderBytes)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("upstream: %s answered its health check with %s", addr, res.Status)
	}
	return nil
}
