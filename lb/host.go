package lb

import (
	"math"
	"sync/atomic"
	"time"
)

// A Host is the live state of an endpoint's address in one balancer. It stays
// the same when endpoints are set anew as long as its address is among them.
type Host struct {
	// What every request writes has cache lines of its own.
	_        [64]byte
	load     atomic.Uint64 // requests under way, and above activeBits all there were
	failures atomic.Uint64
	latency  estimate
	out      atomic.Uint32 // why it is not to be used: outEjected, outSick; read by every pick
	_        [64]byte

	addr     string
	endpoint atomic.Pointer[Endpoint]
	owner    atomic.Pointer[Balancer] // nil once removed
	joined   atomic.Int64             // Unix nanoseconds; when its warm-up began
	warmup   atomic.Pointer[Warmup]
	attached atomic.Pointer[attachment]
}

// activeBits is how much of Host.load is for requests under way. One word for
// two counters saves every request an atomic operation.
const activeBits = 24

// Why a host is not to be used.
const (
	outEjected uint32 = 1 << iota
	outSick
)

// NewHost is a host that belongs to no balancer, to try an [Algorithm] with.
func NewHost(e Endpoint) *Host {
	h := &Host{addr: e.Addr}
	h.endpoint.Store(&e)
	return h
}

// Addr is the address, which never changes.
func (h *Host) Addr() string { return h.addr }

// Endpoint is what was last said about the address.
func (h *Host) Endpoint() Endpoint { return *h.endpoint.Load() }

// Weight is the endpoint's weight, at least one.
func (h *Host) Weight() uint32 { return h.endpoint.Load().weight() }

// Active is how many requests it has now. A request ends with the body of its
// answer.
func (h *Host) Active() int { return int(h.load.Load() & (1<<activeBits - 1)) }

// Requests is how many requests it has been given so far.
func (h *Host) Requests() uint64 { return h.load.Load() >> activeBits }

// begin counts a request, end its end.
func (h *Host) begin() { h.load.Add(1<<activeBits | 1) }
func (h *Host) end()   { h.load.Add(^uint64(0)) }

// Eject takes the host out of use until [Host.Restore]. Picks that begin after it
// has returned do not find the host, unless so many are out that the balancer
// uses all (see [Config.Panic]).
func (h *Host) Eject() {
	if h.out.Or(outEjected)&outEjected == 0 {
		h.changed()
	}
}

// Restore ends an ejection.
func (h *Host) Restore() {
	if h.out.And(^outEjected)&outEjected != 0 {
		h.changed()
	}
}

// Ejected reports whether the host is ejected.
func (h *Host) Ejected() bool { return h.out.Load()&outEjected != 0 }

// SetHealthy notes what a health check found. A host is healthy until one says
// otherwise. When it gets healthy again its warm-up starts anew.
func (h *Host) SetHealthy(healthy bool) {
	switch {
	case !healthy && h.out.Or(outSick)&outSick == 0:
		h.changed()
	case healthy && h.out.And(^outSick)&outSick != 0:
		h.joined.Store(time.Now().UnixNano())
		h.changed()
	}
}

// Healthy reports what the last health check found.
func (h *Host) Healthy() bool { return h.out.Load()&outSick == 0 }

// Removed reports whether the address is no longer among the endpoints.
// Requests that are under way are not affected.
func (h *Host) Removed() bool { return h.owner.Load() == nil }

// usable reports whether the host is neither ejected nor sick.
func (h *Host) usable() bool { return h.out.Load() == 0 }

// changed makes the balancer reconsider which hosts to use.
func (h *Host) changed() {
	if b := h.owner.Load(); b != nil {
		b.healthChanged()
	}
}

// weightAt is the weight that counts at a time: what the endpoint has, less
// while it warms up.
func (h *Host) weightAt(now int64) float64 {
	w := float64(h.Weight())
	if warm := h.warmup.Load(); warm != nil {
		w *= warm.factor(now - h.joined.Load())
	}
	return w
}

// warmUntil is when the host's warm-up ends, in Unix nanoseconds.
func (h *Host) warmUntil() int64 {
	if warm := h.warmup.Load(); warm != nil {
		return h.joined.Load() + int64(warm.For)
	}
	return math.MinInt64
}

// An attachment is one entry of the list of what others keep with a host.
type attachment struct {
	key, value any
	next       *attachment
}

// Attach keeps value with the host for whoever knows key, such as connections,
// unless there is one for it already. It returns what is kept.
func (h *Host) Attach(key, value any) any {
	for {
		first := h.attached.Load()
		for a := first; a != nil; a = a.next {
			if a.key == key {
				return a.value
			}
		}
		if h.attached.CompareAndSwap(first, &attachment{key, value, first}) {
			return value
		}
	}
}

// Attached is what is kept for key, or nil.
func (h *Host) Attached(key any) any {
	for a := h.attached.Load(); a != nil; a = a.next {
		if a.key == key {
			return a.value
		}
	}
	return nil
}
