package upstream

import (
	"context"
	"slices"
	"time"
)

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
			e.putBack(c)
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
