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

// A try is a connection being opened. As many requests as it will have room for
// count on it.
type try struct {
	room int
}

// A waiter is a request that waits for a connection: for one that is being
// opened or, pending in Envoy's sense, because the limit on connections was
// reached.
type waiter struct {
	ctx     context.Context
	try     *try          // what it counts on
	pending bool          // it takes up one of the places to wait in
	ready   chan struct{} // closed when conn or err is set
	conn    *conn
	err     error
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
			var err error
			if limits.TakeRequest() {
				e.take(c)
			} else {
				c, err = nil, e.overflow()
			}
			e.spread(ctx)
			e.unlock()
			return c, err
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

// enqueue puts a request in line, or refuses it.
func (e *endpoint) enqueue(w *waiter) error {
	if err := e.place(w); err != nil {
		return err
	}
	if w.try == nil {
		if !e.pool.limits.TakePending() {
			return e.overflow()
		}
		w.pending = true
	}
	e.queue = append(e.queue, w)
	e.waiting.Add(1)
	return nil
}

// place lets w count on a connection that is being opened, or opens one if the
// limit allows. It refuses w instead of opening one when no further request may
// be under way.
func (e *endpoint) place(w *waiter) error {
	for _, t := range e.openings {
		if t.room > 0 {
			t.room--
			w.try = t
			return nil
		}
	}
	limits := e.pool.limits
	if !limits.TakeConnection(len(e.conns)+len(e.openings) == 0) {
		return nil
	}
	if limits.Refuse() {
		limits.GiveConnection()
		return e.overflow()
	}
	w.try = e.open(w.ctx)
	w.try.room--
	return nil
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

// give gives c to the first in line, unless no further request may be under way.
func (e *endpoint) give(c *conn) bool {
	w := e.queue[0]
	e.queue[0] = nil
	e.queue = e.queue[1:]
	if !e.pool.limits.TakeRequest() {
		e.settle(w, nil, e.overflow())
		return false
	}
	e.take(c)
	e.settle(w, c, nil)
	return true
}

// serve gives connections to those who wait, and opens what they still need and
// the limit allows.
func (e *endpoint) serve() {
	if len(e.queue) == 0 {
		return
	}
	now := time.Now()
	for len(e.queue) > 0 {
		c := e.pick(now)
		if c == nil {
			break
		}
		if !e.give(c) {
			e.rest(c, now)
		}
	}
	for i := 0; i < len(e.queue); {
		w := e.queue[i]
		if w.try == nil {
			if err := e.place(w); err != nil {
				e.queue = slices.Delete(e.queue, i, i+1)
				e.settle(w, nil, err)
				continue
			}
			if w.try == nil {
				return // nobody behind it can be better off
			}
			e.notPending(w)
		}
		i++
	}
}

func (e *endpoint) notPending(w *waiter) {
	if w.pending {
		w.pending = false
		e.pool.limits.GivePending()
	}
}

// settle ends the wait of w, which has been taken out of the queue.
func (e *endpoint) settle(w *waiter, c *conn, err error) {
	e.waiting.Add(-1)
	if w.try != nil {
		w.try.room++
	}
	e.notPending(w)
	w.conn, w.err = c, err
	close(w.ready)
}

// settleWhere refuses those in line for whom refuse says so.
func (e *endpoint) settleWhere(refuse func(*waiter) bool, err error) {
	e.queue = slices.DeleteFunc(e.queue, func(w *waiter) bool {
		if !refuse(w) {
			return false
		}
		e.settle(w, nil, err)
		return true
	})
}

// abandon ends the wait of a request whose context has ended.
func (e *endpoint) abandon(w *waiter) {
	e.mu.Lock()
	if i := slices.Index(e.queue, w); i >= 0 {
		e.queue = slices.Delete(e.queue, i, i+1)
		e.settle(w, nil, nil)
	}
	e.unlock()
	if w.conn != nil {
		e.release(w.conn) // it was given one at the same moment
	}
}
