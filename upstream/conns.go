package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

const (
	// initialStreams is how many requests a new HTTP/2 connection is taken to have
	// room for until the server has said so (RFC 9113 section 6.5.2 recommends at
	// least 100).
	initialStreams = 100
	// sparePause is how long after a failure no HTTP/2 connection is opened for
	// which no request waits.
	sparePause = time.Second
)

// errGone is that an endpoint was taken out of the table meanwhile.
var errGone = errors.New("upstream: endpoint gone")

// A pool holds the connections to the endpoints of one upstream. It is an
// [http.RoundTripper] that sends a request to the address in its URL, once:
// nothing is ever sent twice, so that every attempt is one that a retry policy
// has counted.
//
// net/http makes the connections and speaks on them ([http.ClientConn]); which
// connection a request gets, and how long one lives, is decided here.
type pool struct {
	config Connections
	dialer *dialer
	limits *breaker.Limits

	opening context.Context // ends when the pool is closed
	stop    context.CancelFunc
	work    sync.WaitGroup // connections being opened

	resent   atomic.Uint64
	draining atomic.Bool
	quiet    chan struct{} // told when a request has ended while draining

	// next sends what comes after another one has taken the pool's place; nil if
	// none has. It is set before the pool is drained.
	next atomic.Pointer[http.RoundTripper]

	mu        sync.RWMutex // guards the table
	endpoints map[target]*endpoint
	closed    bool
	past      ConnectionStats // counters of endpoints that are in the table no more
}

func newPool(c Connections, d *dialer, limits *breaker.Limits) *pool {
	p := &pool{
		config:    c.withDefaults(),
		dialer:    d,
		limits:    limits,
		quiet:     make(chan struct{}, 1),
		endpoints: make(map[target]*endpoint),
	}
	p.opening, p.stop = context.WithCancel(context.Background())
	return p
}

// RoundTrip implements http.RoundTripper. Every failure is a [*mesh.Error] that
// knows how far the request got, but for the end of the request's own context,
// whose cause it returns.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	r, guard := guarded(r)
	for {
		c, err := p.acquire(r)
		if err != nil {
			if next := p.next.Load(); next != nil && errors.Is(err, ErrClosed) {
				return (*next).RoundTrip(r)
			}
			guard.refuse()
			return nil, err
		}
		before := c.wire.sent.Load()
		res, err := c.cc.RoundTrip(r)
		if err == nil {
			return p.answered(c, r, res)
		}
		unsent := c.wire.sent.Load() == before || isUnusable(err)
		healthy := c.cc.Err() == nil && c.cc.Available() > 0
		c.e.release(c)
		if r.Context().Err() != nil {
			guard.refuse()
			return nil, context.Cause(r.Context())
		}
		// The server had closed the connection and it was only now noticed. As not a
		// byte was sent, this attempt has not been made yet.
		if unsent && !healthy && c.reused() {
			if again, fresh, ok := guard.rewound(r); ok {
				r, guard = again, fresh
				p.resent.Add(1)
				continue
			}
		}
		guard.refuse()
		switch {
		case guard.broke():
			return nil, callerError(err)
		case healthy && (unsent || isMalformed(err)):
			return nil, requestError(c.e.to.addr, err)
		}
		return nil, sendError(c.e.to.addr, err, unsent)
	}
}

func (p *pool) answered(c *conn, r *http.Request, res *http.Response) (*http.Response, error) {
	var slot *body.Body
	if t := flow.TryOf(r); t != nil {
		slot = &t.Body
	}
	n := 0
	for _, values := range res.Header {
		n += len(values)
	}
	if n > maxHeaders {
		res.Body.Close()
		c.e.release(c)
		return nil, tooManyHeaders(c.e.to.addr, n)
	}
	body.OnEnd(res, slot, c)
	return res, nil
}

// BodyEnded implements [body.Ender]: the connection is free again.
func (c *conn) BodyEnded(error) { c.e.release(c) }

// BodyFailed implements [body.Failer].
func (c *conn) BodyFailed(err error) error {
	var known *mesh.Error
	if errors.As(err, &known) || errors.Is(err, http.ErrBodyReadAfterClose) {
		return err
	}
	return bodyError(c.e.to.addr, c.http2, err)
}

// acquire finds the endpoint for r and a connection to it.
func (p *pool) acquire(r *http.Request) (*conn, error) {
	if p.draining.Load() {
		return nil, closedError()
	}
	to := p.target(r)
	for {
		e, err := p.endpoint(to)
		if err != nil {
			return nil, err
		}
		c, err := e.acquire(r.Context())
		if err != errGone {
			return c, err
		}
	}
}

func (p *pool) endpoint(to target) (*endpoint, error) {
	p.mu.RLock()
	e := p.endpoints[to]
	p.mu.RUnlock()
	if e != nil && !e.gone.Load() {
		return e, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, closedError()
	}
	if e = p.endpoints[to]; e == nil || e.gone.Load() {
		if e != nil {
			p.retire(e)
		}
		e = &endpoint{pool: p, to: to, http2: p.dialer.mayHTTP2(to)}
		p.endpoints[to] = e
	}
	return e, nil
}

// forget takes an endpoint out of the table that has no connections any more.
func (p *pool) forget(e *endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endpoints[e.to] == e {
		delete(p.endpoints, e.to)
		p.retire(e)
	}
}

func (p *pool) retire(e *endpoint) {
	s := e.stats()
	p.past.Opened += s.Opened
	p.past.Failed += s.Failed
}

// openingContext bounds the making of a connection. It has the values of the
// request that needs it first, but outlives that: others may be waiting for the
// connection by then.
func (p *pool) openingContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(p.opening, cancel)
	bounded, done := ctx, context.CancelFunc(func() {})
	if p.config.Connect > 0 {
		bounded, done = context.WithTimeout(ctx, p.config.Connect)
	}
	return bounded, func() { done(); stop(); cancel() }
}

// retain drains the endpoints whose address is not among those that keep
// reports: what is under way may end, idle connections are closed.
func (p *pool) retain(keep func(addr string) bool) {
	for _, e := range p.all() {
		e.leave(!keep(e.to.addr))
	}
}

func (p *pool) all() []*endpoint {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := make([]*endpoint, 0, len(p.endpoints))
	for _, e := range p.endpoints {
		all = append(all, e)
	}
	return all
}

// stats is the sum over all endpoints, those included that are gone.
func (p *pool) stats() ConnectionStats {
	p.mu.RLock()
	s := p.past
	p.mu.RUnlock()
	for _, e := range p.all() {
		s.add(e.stats())
	}
	s.Resent = p.resent.Load()
	return s
}

// succeed goes on with the counters of the pool before.
func (p *pool) succeed(before *pool) {
	s := before.stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.past.Opened += s.Opened
	p.past.Failed += s.Failed
	p.resent.Add(s.Resent)
}

// ended is called when a request has ended.
func (p *pool) ended() {
	if p.draining.Load() {
		select {
		case p.quiet <- struct{}{}:
		default:
		}
	}
}

// Shutdown refuses further requests, waits until those under way have ended or
// ctx ends, and closes everything.
func (p *pool) Shutdown(ctx context.Context) error {
	p.draining.Store(true)
	defer p.Close()
	for {
		if s := p.stats(); s.Active+s.Waiting == 0 {
			return nil
		}
		select {
		case <-p.quiet:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close closes all connections, also those in use, and waits until nothing is
// left running. It may be called more than once.
func (p *pool) Close() error {
	p.draining.Store(true)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	for _, e := range p.all() {
		e.close()
	}
	p.work.Wait()
	return nil
}
