package lb

import (
	"math/rand/v2"
	"net"
	"slices"
	"strconv"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// A Config says between which endpoints a [Balancer] chooses, and how. Endpoints
// alone are enough.
type Config struct {
	// Name is the destination's, for errors and records; it may be empty.
	Name string

	// Endpoints are where requests can go. They can be none: requests are refused
	// until there are some.
	Endpoints []Endpoint

	// Algorithm chooses between hosts; nil is LeastRequest{}.
	Algorithm Algorithm

	// Hash is what a [Consistent] algorithm places requests by; without it, and for
	// requests in which nothing of it is found, the place is random.
	Hash []HashSource

	// Placement arranges the endpoints by where they are, one after the other,
	// whenever they are set.
	Placement []Placement

	// LocalityWeighted first chooses a locality by the weights of localities
	// ([Endpoint.LocalityWeight]), which count for less when hosts in them are out
	// of use, and then a host in it. Otherwise localities play no part. A
	// [Consistent] algorithm gives each locality its part of the hashes instead.
	LocalityWeighted bool

	// Warmup gives new hosts less than their share at first.
	Warmup Warmup

	// When less than the share Panic of a priority's hosts can be used, and other
	// priorities cannot take over, all its hosts are used: the ejected ones, too,
	// since more load would take down those that are left. Zero is 50 %, as in
	// Envoy. NoPanic switches it off: requests are refused when no host is left.
	Panic   mesh.Fraction
	NoPanic bool

	// Observers are told how each attempt has ended.
	Observers []Observer

	// Changed, if set, is told after endpoints have changed which hosts were added
	// and which removed, of which some may still have requests. Calls do not overlap.
	// It must not call the balancer, but may call hosts.
	Changed func(added, removed []*Host)

	// Rand draws 64 random bits; nil is [math/rand/v2]. It is called by many
	// goroutines.
	Rand func() uint64
}

// An Observer is told how attempts end, when the bodies of their answers have
// ended. It is called on the goroutine of the request and must not wait. One with
// a method IgnoresLatency is not told how long they took, unless another one
// asks: that saves every request a reading of the clock.
type Observer interface {
	Observe(h *Host, o mesh.Outcome)
}

// clocked reports whether any of them wants to know how long attempts take.
func clocked(observers []Observer) bool {
	return slices.ContainsFunc(observers, func(o Observer) bool {
		_, ignores := o.(interface{ IgnoresLatency() })
		return !ignores
	})
}

// compiled is a Config made ready.
type compiled struct {
	name       string
	algorithm  Algorithm
	consistent Consistent // the algorithm, if it is one
	hasher     *Hasher
	placement  []Placement
	weighted   bool // by locality
	warmup     *Warmup
	panicBelow float64 // per cent
	observers  []Observer
	clocked    bool // observers want latencies
	changed    func(added, removed []*Host)
	rand       func() uint64
	timed      bool // picks need to know the time
}

func (c *Config) compile() (*compiled, error) {
	k := &compiled{
		name: c.Name, algorithm: c.Algorithm, placement: c.Placement, weighted: c.LocalityWeighted,
		warmup: c.Warmup.withDefaults(), panicBelow: 50, observers: c.Observers, changed: c.Changed, rand: c.Rand,
	}
	if k.algorithm == nil {
		k.algorithm = LeastRequest{}
	}
	if k.rand == nil {
		k.rand = rand.Uint64
	}
	switch {
	case c.NoPanic:
		k.panicBelow = 0
	case c.Panic != 0:
		k.panicBelow = float64(c.Panic) / float64(mesh.Percent(1))
	}
	k.consistent, _ = k.algorithm.(Consistent)
	if o, ok := k.algorithm.(Observer); ok {
		k.observers = append([]Observer{o}, k.observers...)
	}
	k.clocked = clocked(k.observers)
	l := check.List{Prefix: "lb"}
	k.timed = k.warmup != nil || !timeless(k.algorithm)
	if len(c.Hash) > 0 {
		hasher, err := NewHasher(c.Hash...)
		l.Include("Hash", err)
		k.hasher = hasher
	}
	c.check(&l, k)
	return k, l.Err()
}

func (c *Config) check(l *check.List, k *compiled) {
	if v, ok := k.algorithm.(interface{ Validate() error }); ok {
		l.Include("Algorithm", v.Validate())
	}
	if len(c.Hash) > 0 && k.consistent == nil {
		l.Add("Hash", nil, "goes with a Consistent algorithm only, such as RingHash or Maglev")
	}
	for i, p := range c.Placement {
		if p == nil {
			l.Add(index("Placement", i), nil, "is nil")
		} else if v, ok := p.(interface{ Validate() error }); ok {
			l.Include(index("Placement", i), v.Validate())
		}
	}
	c.Warmup.check(l)
	if _, random := k.algorithm.(Random); c.Warmup.For > 0 && (random || k.consistent != nil) {
		l.Add("Warmup", nil, "has no effect on an algorithm that does not go by weights at each pick")
	}
	l.Share("Panic", c.Panic)
	if c.NoPanic && c.Panic != 0 {
		l.Add("NoPanic", nil, "contradicts Panic, which is %s", c.Panic)
	}
}

// timeless reports whether an algorithm never looks at Query.Now by itself.
func timeless(a Algorithm) bool {
	switch a.(type) {
	case Random, RoundRobin, LeastRequest, RingHash, Maglev:
		return true
	}
	return false
}

// checkEndpoints reports endpoints that cannot be used, or not together.
func checkEndpoints(endpoints []Endpoint, weighted bool) error {
	type place struct {
		priority uint32
		locality Locality
	}
	type weights struct {
		sum      uint64
		locality uint32
	}
	l := check.List{Prefix: "lb"}
	seen := make(map[string]int, len(endpoints))
	places := make(map[place]weights)
	for i := range endpoints {
		e := &endpoints[i]
		report := func(field string, value any, format string, args ...any) {
			l.Add(index("Endpoints", i)+"."+field, value, format, args...)
		}
		if _, port, err := net.SplitHostPort(e.Addr); err != nil || port == "" {
			report("Addr", e.Addr, `must be a host and a port, such as "10.0.0.1:8080" or "[::1]:8080"`)
		} else if first, again := seen[e.Addr]; again {
			report("Addr", e.Addr, "is that of Endpoints[%d], too", first)
		}
		seen[e.Addr] = i
		at := place{e.Priority, e.Locality}
		w, known := places[at]
		if weighted && known && w.locality != e.LocalityWeight {
			report("LocalityWeight", e.LocalityWeight, "must be that of the others in locality %q, which is %d", e.Locality.String(), w.locality)
		}
		w.sum, w.locality = w.sum+uint64(e.weight()), e.LocalityWeight
		if w.sum > 1<<32-1 {
			report("Weight", e.Weight, "makes the weights in locality %q add up to more than 4294967295", e.Locality.String())
			w.sum = 0
		}
		places[at] = w
	}
	return l.Err()
}

// index is the field of an element of a list.
func index(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
