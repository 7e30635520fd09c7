package lb

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A Host is the live state of an endpoint's address in one balancer. It stays
// the same when endpoints are set anew as long as its address is among them.
type Host struct {
	// state is all that a pick reads and a request writes, in one word: from below
	// the number of requests under way, why the host is not to be used, and the
	// number of all requests so far.
	state atomic.Uint64
	*background
}

// The parts of Host.state.
const (
	active     uint64 = 1<<22 - 1
	outEjected uint64 = 1 << 22
	outSick    uint64 = 1 << 23
	oneRequest uint64 = 1 << 24
)

// background is what is needed less often.
type background struct {
	weight  atomic.Uint32 // the endpoint's
	warmup  atomic.Pointer[Warmup]
	joined  atomic.Int64 // when its warm-up began, in Unix nanoseconds
	latency estimate

	addr      string
	endpoint  atomic.Pointer[Endpoint]
	home      *Balancer                // nil if it never had one
	owner     atomic.Pointer[Balancer] // home; nil once removed
	attached  atomic.Pointer[attachment]
	failures  atomic.Uint64
	measuring sync.Mutex // who changes latency
}

// A loneHost has a cache line of its own, since the allocator aligns objects of
// this size. Where cores pick from a few hosts that saves them from each other.
// Among many hosts they seldom meet, and what counts is that all of them fit into
// the cache.
type loneHost struct {
	Host
	_ [48]byte
}

// crowd is from how many hosts on they share cache lines.
const crowd = 1024

// newHost is a host, one of n.
func newHost(e *Endpoint, n int) *Host {
	var h *Host
	if n < crowd {
		h = &new(loneHost).Host
	} else {
		h = new(Host)
	}
	h.background = &background{addr: e.Addr}
	h.say(e)
	return h
}

// NewHost is a host that belongs to no balancer, to try an [Algorithm] with.
func NewHost(e Endpoint) *Host { return newHost(&e, 1) }

// say notes what is now known of the endpoint.
func (h *Host) say(e *Endpoint) {
	h.endpoint.Store(e)
	h.weight.Store(e.weight())
}

// Addr is the address, which never changes.
func (h *Host) Addr() string { return h.addr }

// Endpoint is what was last said about the address.
func (h *Host) Endpoint() Endpoint { return *h.endpoint.Load() }

// Weight is the endpoint's weight, at least one.
func (h *Host) Weight() uint32 { return h.weight.Load() }

// Active is how many requests it has now. A request ends with the body of its
// answer.
func (h *Host) Active() int { return int(h.state.Load() & active) }

// Requests is how many requests it has been given so far.
func (h *Host) Requests() uint64 { return h.state.Load() / oneRequest }

// begin counts a request, end its end.
func (h *Host) begin() { h.state.Add(oneRequest + 1) }
func (h *Host) end()   { h.state.Add(^uint64(0)) }

// Eject takes the host out of use until [Host.Restore]. Picks that begin after it
// has returned do not find the host, unless so many are out that the balancer
// uses all (see [Config.Panic]).
func (h *Host) Eject() {
	if h.state.Or(outEjected)&outEjected == 0 {
		h.changed()
	}
}

// Restore ends an ejection.
func (h *Host) Restore() {
	if h.state.And(^outEjected)&outEjected != 0 {
		h.changed()
	}
}

// Ejected reports whether the host is ejected.
func (h *Host) Ejected() bool { return h.state.Load()&outEjected != 0 }

// SetHealthy notes what a health check found. A host is healthy until one says
// otherwise. When it gets healthy again its warm-up starts anew.
func (h *Host) SetHealthy(healthy bool) {
	switch {
	case !healthy && h.state.Or(outSick)&outSick == 0:
		h.changed()
	case healthy && h.state.And(^outSick)&outSick != 0:
		h.joined.Store(time.Now().UnixNano())
		h.changed()
	}
}

// Healthy reports what the last health check found.
func (h *Host) Healthy() bool { return h.state.Load()&outSick == 0 }

// Removed reports whether the address is not, or no longer, among the endpoints.
// Requests that are under way are not affected.
func (h *Host) Removed() bool { return h.owner.Load() == nil }

// conf is the configuration of the balancer that the host belongs or belonged to.
func (h *Host) conf() *compiled { return h.home.current.Load().conf }

// usable reports whether the host is neither ejected nor sick.
func (h *Host) usable() bool { return h.state.Load()&(outEjected|outSick) == 0 }

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
