package upstream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
)

// An endpoint holds the connections to one address and the requests that wait
// for one.
//
// Under its lock nothing is called on a [http.ClientConn] but Err, Available and
// InFlight: everything else may run the state hook, which takes the lock.
type endpoint struct {
	pool *pool
	to   target

	waiting atomic.Int32
	gone    atomic.Bool // no longer in the pool's table

	mu       sync.Mutex // guards all below
	conns    []*conn
	idle     []*conn // HTTP/1.1 connections without a request, the latest last
	openings []*try
	queue    []*waiter // first come, first served
	doomed   []*conn   // to be closed when the lock has been given back
	http2    bool      // what the last connection was, and the next is taken to be
	leaving  bool      // the endpoint was removed: what is under way may end
	closed   bool      // by Close: nothing new starts
	sweeper  *time.Timer
	swept    bool      // the sweeper is set
	spareAt  time.Time // when a further HTTP/2 connection may be tried again

	opened, failed uint64
}

// unlock gives the lock back and does what must not be done under it.
func (e *endpoint) unlock() {
	if e.leaving && len(e.queue) == 0 {
		e.removeIdle(func(*conn) bool { return true })
	}
	doomed := e.doomed
	e.doomed = nil
	over := len(e.conns)+len(e.openings)+len(e.queue) == 0
	if over {
		if e.sweeper != nil {
			e.sweeper.Stop()
			e.swept = false
		}
		e.gone.Store(true)
	}
	e.mu.Unlock()
	for _, c := range doomed {
		c.cc.Close()
	}
	if over {
		e.pool.forget(e)
	}
}

// acquire gives a connection to a request, and room among the requests under
// way. The request waits in line where there is none.
func (e *endpoint) acquire(ctx context.Context) (*conn, error) {
	e.mu.Lock()
	switch {
	case e.closed:
		e.mu.Unlock()
		return nil, closedError()
	case e.gone.Load():
		e.mu.Unlock()
		return nil, errGone
	}
	limits := e.pool.limits
	if len(e.queue) == 0 {
		if c := e.pick(time.Now()); c != nil {
			if !limits.TakeRequest() {
				e.putBack(c)
				e.unlock()
				return nil, e.overflow()
			}
			e.take(c)
			e.spread(ctx)
			e.unlock()
			return c, nil
		}
	}
	w := &waiter{ctx: ctx, ready: make(chan struct{})}
	if err := e.enqueue(w); err != nil {
		e.unlock()
		return nil, err
	}
	e.unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
		e.abandon(w)
		return nil, context.Cause(ctx)
	}
	return w.conn, w.err
}

func (e *endpoint) overflow() *mesh.Error {
	err := breaker.Overflow(op)
	err.Endpoint = e.to.addr
	return err
}

// open starts to make a connection. Its room among the connections has been
// taken.
func (e *endpoint) open(ctx context.Context) *try {
	ctx, cancel := e.pool.openingContext(ctx)
	t := &try{room: 1}
	if e.http2 {
		t.room = initialStreams
		if most := e.pool.config.MaxStreams; most > 0 {
			t.room = min(t.room, most)
		}
	}
	e.openings = append(e.openings, t)
	e.pool.work.Go(func() {
		defer cancel()
		o := &opening{to: e.to}
		cc, err := e.pool.dialer.open(ctx, o)
		if err != nil {
			e.openFailed(t, dialError(e.to.addr, err))
			return
		}
		e.openDone(t, &conn{e: e, cc: cc, wire: o.wire, http2: o.http2})
	})
	return t
}

// spread opens HTTP/2 connections until there are as many as asked for.
func (e *endpoint) spread(ctx context.Context) {
	if !e.http2 || e.leaving || len(e.conns)+len(e.openings) >= e.pool.config.PerEndpoint {
		return
	}
	if time.Now().Before(e.spareAt) || !e.pool.limits.TakeConnection(false) {
		return
	}
	e.open(ctx)
}

func (e *endpoint) openFailed(t *try, err *mesh.Error) {
	e.mu.Lock()
	e.failed++
	e.spareAt = time.Now().Add(sparePause)
	e.pool.limits.GiveConnection()
	e.openings = slices.DeleteFunc(e.openings, func(o *try) bool { return o == t })
	e.settleWhere(func(w *waiter) bool { return w.try == t }, err)
	e.serve()
	e.unlock()
}

func (e *endpoint) openDone(t *try, c *conn) {
	now := time.Now()
	e.mu.Lock()
	e.openings = slices.DeleteFunc(e.openings, func(o *try) bool { return o == t })
	if e.closed {
		e.pool.limits.GiveConnection()
		e.doomed = append(e.doomed, c)
		e.unlock()
		return
	}
	e.opened++
	e.http2 = c.http2
	if age := e.pool.config.MaxAge; age > 0 {
		c.retires = now.Add(lifetime(age))
	}
	c.at = len(e.conns)
	e.conns = append(e.conns, c)
	for _, w := range e.queue {
		if w.try == t {
			w.try = nil
		}
	}
	// The first in line gets it as it is. Where the server hangs up at once, it is
	// a failed attempt and no reason to open another one.
	if len(e.queue) == 0 || !e.give(c) {
		e.rest(c, now)
	}
	e.serve()
	// What counted on this connection and found neither room nor another one waits
	// like everybody else.
	e.settleWhere(func(w *waiter) bool {
		if w.try == nil && !w.pending {
			w.pending = e.pool.limits.TakePending()
		}
		return w.try == nil && !w.pending
	}, e.overflow())
	e.unlock()
	c.cc.SetStateHook(c.changed)
}

// pick is the connection for the next request: the one that was used last, so
// that others can grow idle, or the HTTP/2 connection with the least under way.
func (e *endpoint) pick(now time.Time) *conn {
	for n := len(e.idle); n > 0; n = len(e.idle) {
		c := e.idle[n-1]
		e.idle = e.idle[:n-1]
		if c.usable(now) {
			return c
		}
		e.remove(c)
	}
	if !e.http2 {
		return nil
	}
	var best *conn
	for i := 0; i < len(e.conns); {
		c := e.conns[i]
		if c.active == 0 && (c.dead() || c.spent(now)) {
			e.remove(c) // another one stands at i now
			continue
		}
		i++
		if c.http2 && c.usable(now) && (best == nil || c.active < best.active ||
			c.active == best.active && c.served < best.served) {
			best = c
		}
	}
	return best
}

// putBack undoes pick for a connection that no request took.
func (e *endpoint) putBack(c *conn) {
	if !c.http2 {
		e.idle = append(e.idle, c)
	}
}

func (e *endpoint) take(c *conn) {
	c.active++
	c.served++
}

// rest puts a connection without requests where the next one finds it, and sees
// to it that it does not stay for ever.
func (e *endpoint) rest(c *conn, now time.Time) {
	c.idle = now
	if !c.http2 {
		e.idle = append(e.idle, c)
	}
	if !e.swept {
		e.sweepAt(c.expires(), now)
	}
}

// release ends a request on c.
func (e *endpoint) release(c *conn) {
	e.pool.limits.GiveRequest()
	now := time.Now()
	e.mu.Lock()
	c.active--
	if c.active == 0 && !c.closed {
		switch {
		case c.spent(now), c.cc.Err() != nil, !c.http2 && c.cc.Available() == 0, c.http2 && c.dead():
			e.remove(c)
		default:
			e.rest(c, now)
		}
	}
	e.serve()
	e.unlock()
	e.pool.ended()
}

// remove takes c out of everything and has it closed.
func (e *endpoint) remove(c *conn) {
	last := len(e.conns) - 1
	e.conns[c.at] = e.conns[last]
	e.conns[c.at].at = c.at
	e.conns[last] = nil
	e.conns = e.conns[:last]
	if i := slices.Index(e.idle, c); i >= 0 {
		e.idle = slices.Delete(e.idle, i, i+1)
	}
	c.closed = true
	e.doomed = append(e.doomed, c)
	e.pool.limits.GiveConnection()
}
