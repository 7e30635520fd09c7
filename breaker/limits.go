package breaker

import (
	"net/http"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// LimitsConfig bounds what one upstream, or this server, is given at a time.
// They are Envoy's circuit breaker thresholds; zero is no limit. The limit on
// retries is a retry budget's.
type LimitsConfig struct {
	// MaxConnections is how many connections to all endpoints together may be
	// open (Istio's tcp.maxConnections). A request that finds no room waits.
	MaxConnections int
	// MaxPending is how many requests may wait because of MaxConnections (Istio's
	// http1MaxPendingRequests). Negative is none: what would have to wait is
	// refused.
	MaxPending int
	// MaxRequests is how many requests may be under way, from being given a
	// connection to the end of the answer's body (Istio's http2MaxRequests, which
	// holds for HTTP/1.1 as well). Waiting requests do not count.
	MaxRequests int
}

func (c LimitsConfig) check(l *check.List, prefix string) {
	for _, f := range [...]struct {
		name string
		n    int
	}{{"MaxConnections", c.MaxConnections}, {"MaxRequests", c.MaxRequests}} {
		if f.n < 0 {
			l.Add(prefix+f.name, f.n, "must not be negative; zero is no limit")
		}
	}
}

// Limits counts what an upstream has been given. Whoever owns connections asks
// it before opening one and before giving a request to one. Its zero value has
// no limits, and only counts. All methods are safe for concurrent use.
type Limits struct {
	maxConnections, maxPending, maxRequests atomic.Int64

	connections, pending, requests atomic.Int64
	overflows                      atomic.Uint64
	noPlace, waits                 atomic.Uint64
}

// NewLimits makes Limits. The error is a [*mesh.Problem] for each field that is
// wrong.
func NewLimits(c LimitsConfig) (*Limits, error) {
	l := new(Limits)
	if err := l.Update(c); err != nil {
		return nil, err
	}
	return l, nil
}

// Update takes over other limits. What is open already stays.
func (l *Limits) Update(c LimitsConfig) error {
	problems := check.List{Prefix: "breaker"}
	if c.check(&problems, ""); problems.Err() != nil {
		return problems.Err()
	}
	l.set(c)
	return nil
}

func (l *Limits) set(c LimitsConfig) {
	l.maxConnections.Store(int64(c.MaxConnections))
	l.maxPending.Store(int64(c.MaxPending))
	l.maxRequests.Store(int64(c.MaxRequests))
}

// TakeConnection takes room for a connection. With first it always succeeds:
// as in Envoy, an endpoint without any connection may have one.
func (l *Limits) TakeConnection(first bool) bool {
	if first {
		l.connections.Add(1)
		return true
	}
	return take(&l.connections, l.maxConnections.Load())
}

// GiveConnection gives the room of a closed connection back.
func (l *Limits) GiveConnection() { l.connections.Add(-1) }

// TakePending takes a place to wait in, if there is one.
func (l *Limits) TakePending() bool {
	l.waits.Add(1)
	if take(&l.pending, l.maxPending.Load()) {
		return true
	}
	l.noPlace.Add(1)
	l.overflows.Add(1)
	return false
}

// GivePending gives the place of a request back that need not wait any more.
func (l *Limits) GivePending() { l.pending.Add(-1) }

// TakeRequest takes room for a request that is about to be sent.
func (l *Limits) TakeRequest() bool {
	if take(&l.requests, l.maxRequests.Load()) {
		return true
	}
	l.overflows.Add(1)
	return false
}

// GiveRequest gives the room of a request back that has ended.
func (l *Limits) GiveRequest() { l.requests.Add(-1) }

// Refuse reports, and counts, that a request has to be refused for which a
// connection would have to be opened: there is no room for it anyway.
func (l *Limits) Refuse() bool {
	most := l.maxRequests.Load()
	if most == 0 || l.requests.Load() < most {
		return false
	}
	l.overflows.Add(1)
	return true
}

// take adds one to n unless it has reached most. Zero is no limit, and negative
// leaves no room.
func take(n *atomic.Int64, most int64) bool {
	if most == 0 {
		n.Add(1)
		return true
	}
	for {
		have := n.Load()
		if have >= most {
			return false
		}
		if n.CompareAndSwap(have, have+1) {
			return true
		}
	}
}

// LimitsStats is what is in use and what was refused.
type LimitsStats struct {
	Connections int    // open, idle ones included
	Pending     int    // requests that wait for one
	Requests    int    // under way
	Overflows   uint64 // requests refused, since the start
	NoPlace     uint64 // of these, because too many were waiting
	Waits       uint64 // requests that had to wait or were refused, because there was no room for a connection
}

// Stats copies the counters.
func (l *Limits) Stats() LimitsStats {
	return LimitsStats{
		Connections: int(l.connections.Load()),
		Pending:     int(l.pending.Load()),
		Requests:    int(l.requests.Load()),
		Overflows:   l.overflows.Load(),
		NoPlace:     l.noPlace.Load(),
		Waits:       l.waits.Load(),
	}
}

// Overflow is the refusal of a request for which there is no room. A sidecar
// answers it with 503 and x-envoy-overloaded, and neither repeats it nor holds it
// against an endpoint.
func Overflow(op string) *mesh.Error {
	return &mesh.Error{
		Op:      op,
		Flag:    mesh.Overflow,
		Status:  http.StatusServiceUnavailable,
		Stage:   mesh.NotSent,
		Details: mesh.ResetDetails(mesh.ReasonOverflow),
	}
}
