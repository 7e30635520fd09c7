package upstream

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// A conn is one connection to an endpoint. Its fields but the first group are
// guarded by the endpoint's lock.
type conn struct {
	e     *endpoint
	cc    *http.ClientConn
	wire  *wire
	http2 bool

	at      int       // its place in e.conns
	active  int       // requests under way, until the end of their answers' bodies
	served  int       // requests begun
	idle    time.Time // when the last request ended
	retires time.Time // when it is too old for further requests; zero is never
	closed  bool      // taken out of e.conns
}

// room is how many more requests c takes. What the connection itself counts can
// lag behind for a moment, since a stream ends a little after its body.
func (c *conn) room() int {
	if !c.http2 {
		return 1 - c.active
	}
	free := c.cc.Available()
	if free == 0 {
		return 0
	}
	streams := free + c.cc.InFlight()
	if most := c.e.pool.config.MaxStreams; most > 0 {
		streams = min(streams, most)
	}
	return streams - c.active
}

// usable reports whether c may get a further request.
func (c *conn) usable(now time.Time) bool {
	return c.room() > 0 && !c.spent(now) && c.cc.Err() == nil
}

// spent reports whether c has done its share: it gets no further request, and is
// closed when it has none.
func (c *conn) spent(now time.Time) bool {
	most := c.e.pool.config.MaxRequests
	return most > 0 && c.served >= most || !c.retires.IsZero() && now.After(c.retires)
}

// dead reports whether c can never be used again.
func (c *conn) dead() bool {
	return c.cc.Err() != nil || c.cc.Available() == 0 && c.cc.InFlight() == 0
}

// reused reports whether c has had a request before the present one. It is asked
// by the one that has it.
func (c *conn) reused() bool {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.served > 1
}

// expires is when c is to be closed if it gets no request before; zero is never.
func (c *conn) expires() time.Time {
	at := c.retires
	if idle := c.e.pool.config.Idle; idle > 0 {
		if end := c.idle.Add(idle); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// changed is told by net/http when a request has ended on c or the connection
// was closed, possibly by the server while nothing was under way.
func (c *conn) changed(*http.ClientConn) {
	e := c.e
	if c.cc.Err() == nil && e.waiting.Load() == 0 {
		return
	}
	e.mu.Lock()
	if !c.closed && c.active == 0 && c.dead() {
		e.remove(c)
	}
	e.serve()
	e.unlock()
}

// lifetime draws how long a connection is used: at most a tenth more or less
// than asked for.
func lifetime(d time.Duration) time.Duration {
	spread := d / 5
	if spread <= 0 {
		return d
	}
	return d - spread/2 + rand.N(spread+1)
}
