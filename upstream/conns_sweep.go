package upstream

import (
	"slices"
	"time"
)

// sweepAt has the endpoint looked at when a connection may have been idle for
// too long. One timer does for all: it is set when there is something to expire,
// and set again for what remains.
func (e *endpoint) sweepAt(at, now time.Time) {
	if at.IsZero() || e.closed {
		return
	}
	e.swept = true
	if e.sweeper == nil {
		e.sweeper = time.AfterFunc(at.Sub(now), e.sweep)
		return
	}
	e.sweeper.Reset(at.Sub(now))
}

// sweep closes what has been idle for too long.
func (e *endpoint) sweep() {
	now := time.Now()
	e.mu.Lock()
	e.swept = false
	var next time.Time
	e.removeIdle(func(c *conn) bool {
		at := c.expires()
		if c.dead() || !at.IsZero() && !at.After(now) {
			return true
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		return false
	})
	e.sweepAt(next, now)
	e.unlock()
}

// removeIdle removes the connections without requests for which expired says so.
func (e *endpoint) removeIdle(expired func(*conn) bool) {
	for i := 0; i < len(e.conns); {
		if c := e.conns[i]; c.active == 0 && expired(c) {
			e.remove(c) // another one stands at i now
			continue
		}
		i++
	}
}

// leave lets an endpoint end that was removed, or takes it back.
func (e *endpoint) leave(leaving bool) {
	e.mu.Lock()
	e.leaving = leaving
	e.unlock()
}

// close ends everything at once.
func (e *endpoint) close() {
	e.mu.Lock()
	e.closed = true
	if e.sweeper != nil {
		e.sweeper.Stop()
	}
	e.settleWhere(func(*waiter) bool { return true }, closedError())
	conns := slices.Clone(e.conns)
	e.mu.Unlock()
	for _, c := range conns {
		c.cc.Close()
		c.wire.Close() // an upgraded connection is not net/http's any more
	}
}

func (e *endpoint) stats() ConnectionStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := ConnectionStats{
		Open: len(e.conns), Opening: len(e.openings), Waiting: len(e.queue),
		Opened: e.opened, Failed: e.failed,
	}
	for _, c := range e.conns {
		s.Active += c.active
		if c.active == 0 {
			s.Idle++
		}
	}
	return s
}
