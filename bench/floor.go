package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
)

// A floor does the work of the full stack in one function that is written by hand
// for it: routes by a header, splits, draws a fault, bounds the request, retries
// within a budget, asks a breaker, picks the better of two endpoints, and releases
// the endpoint when the answer's body is closed. It keeps no window, changes no
// state and has no configuration behind it.
type floor struct {
	next    http.RoundTripper
	timeout bool

	stable, canary group
	fault          uint32 // of 2^32
	budget         atomic.Int64
}

type group struct {
	open      atomic.Bool
	successes atomic.Int64
	failures  atomic.Int64
	hosts     []*floorHost
}

type floorHost struct {
	addr   string
	active atomic.Int64
	_      [40]byte // a cache line each
}

var threeHosts = []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}

func newFloor(next http.RoundTripper, timeout bool, stable, canary []string) http.RoundTripper {
	f := &floor{next: next, timeout: timeout}
	for _, addr := range stable {
		f.stable.hosts = append(f.stable.hosts, &floorHost{addr: addr})
	}
	for _, addr := range canary {
		f.canary.hosts = append(f.canary.hosts, &floorHost{addr: addr})
	}
	return f
}

// A floorCall is all that a request needs, in one allocation.
type floorCall struct {
	url    url.URL
	inner  io.ReadCloser
	host   *floorHost
	group  *group
	cancel context.CancelFunc
	failed bool
	closed bool
}

// Read implements io.Reader.
func (c *floorCall) Read(p []byte) (int, error) { return c.inner.Read(p) }

// Close implements io.Closer.
func (c *floorCall) Close() error {
	err := c.inner.Close()
	if c.closed {
		return err
	}
	c.closed = true
	c.host.active.Add(-1)
	if c.failed {
		c.group.failures.Add(1)
	} else {
		c.group.successes.Add(1)
	}
	if c.cancel != nil {
		c.cancel()
	}
	return err
}

// RoundTrip implements http.RoundTripper.
func (f *floor) RoundTrip(r *http.Request) (*http.Response, error) {
	draw := rand.Uint64()
	g := &f.stable
	if v := r.Header["X-Canary"]; len(v) > 0 && v[0] == "true" || draw&0xffff < 6554 {
		g = &f.canary
	}
	if uint32(draw>>16) < f.fault {
		return nil, errAgain
	}
	for attempt := 0; ; attempt++ {
		if g.open.Load() {
			return nil, errAgain
		}
		c := &floorCall{group: g}
		ctx := r.Context()
		if f.timeout {
			ctx, c.cancel = context.WithTimeout(ctx, deadline)
		}
		own := r.WithContext(ctx)
		c.host = better(g.hosts, draw)
		c.host.active.Add(1)
		c.url = *r.URL
		c.url.Host = c.host.addr
		own.URL = &c.url
		f.budget.Add(1)
		res, err := f.next.RoundTrip(own)
		f.budget.Add(-1)
		if err != nil {
			c.host.active.Add(-1)
			return nil, err
		}
		c.inner, c.failed = res.Body, res.StatusCode >= http.StatusInternalServerError
		res.Body = c
		if !c.failed || attempt == 2 {
			return res, nil
		}
		c.Close() //nolint:errcheck // it is thrown away
		draw = rand.Uint64()
	}
}

func better(hosts []*floorHost, draw uint64) *floorHost {
	n := uint64(len(hosts))
	a, b := hosts[(draw>>32&0xffff)*n>>16], hosts[(draw>>48)*n>>16]
	if b.active.Load() < a.active.Load() {
		return b
	}
	return a
}
