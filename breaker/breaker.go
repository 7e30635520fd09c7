package breaker

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
)

const op = "breaker"

// ErrOpen is the cause of a refusal by an open circuit.
var ErrOpen = errors.New("the circuit is open")

// A Breaker refuses requests as its [Config] says. It is safe for concurrent use.
type Breaker struct {
	name     string
	key      func(*http.Request) (string, bool)
	fallback func(*http.Request, error) (*http.Response, error)
	maxKeys  int
	events   events

	trip    atomic.Pointer[Trip] // with its defaults; nil without a circuit
	dry     atomic.Bool
	limited atomic.Bool // there are limits
	queued  atomic.Bool // there is a limit on connections
	limits  Limits
	line    line
	sole    atomic.Pointer[circuit] // for all without a key
	keyed   *circuits
	grade   atomic.Pointer[gradient]

	exchanges sync.Pool // of *exchange
}

// New makes a Breaker. The error has a [*mesh.Problem] for everything that is
// wrong.
func New(c Config) (*Breaker, error) {
	b := &Breaker{name: c.Name, key: c.Key, fallback: c.Fallback, maxKeys: c.MaxKeys}
	if b.maxKeys == 0 {
		b.maxKeys = defaultMaxKeys
	}
	b.events.tell = c.Changed
	b.keyed = newCircuits(b.maxKeys)
	if err := b.Update(c); err != nil {
		return nil, err
	}
	return b, nil
}

// Update takes over the Trip, Limits, Adaptive and DryRun of c, all of them or, if
// anything is wrong, none. What is under way stays counted, failures in a row keep
// counting and an open circuit stays open.
func (b *Breaker) Update(c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	b.limits.set(c.Limits)
	b.limited.Store(c.Limits != LimitsConfig{})
	b.queued.Store(c.Limits.MaxConnections > 0)
	b.dry.Store(c.DryRun)
	switch g := b.grade.Load(); {
	case c.Adaptive.Max == 0:
		b.grade.Store(nil)
	case g == nil || g.conf != c.Adaptive.withDefaults():
		b.grade.Store(newGradient(c.Adaptive))
	}
	if !c.Trip.trips() {
		b.trip.Store(nil)
		b.sole.Store(nil)
		return nil
	}
	trip := c.Trip.withDefaults()
	b.trip.Store(&trip)
	if !b.sole.CompareAndSwap(nil, newCircuit(b, "", trip)) {
		b.sole.Load().update(trip)
	}
	for _, k := range b.keyed.all() {
		k.update(trip)
	}
	return nil
}

// A Permit is a request that was let through. Its zero value belongs to nobody.
type Permit struct {
	b       *Breaker
	circuit *circuit
	grade   *gradient
	ticket  ticket
	start   time.Time // where latency matters
	counted bool      // in the limits
	queued  bool      // has a connection in the limits
}

// Acquire lets a request through or refuses it with an [*mesh.Error] with flag UO.
// Where the limit on connections is reached it waits, until ctx ends if need be.
// Every Permit must be given back by [Permit.Done], once.
func (b *Breaker) Acquire(ctx context.Context) (p Permit, err error) {
	if err = b.acquire(ctx, b.sole.Load(), &p); err != nil {
		return Permit{}, err
	}
	return p, nil
}

// circuitFor is the circuit that r belongs to, nil for none.
func (b *Breaker) circuitFor(r *http.Request) *circuit {
	sole, trip := b.sole.Load(), b.trip.Load()
	if b.key == nil || sole == nil || trip == nil {
		return sole
	}
	key, ok := b.key(r)
	if !ok {
		return sole
	}
	return b.keyed.get(key, func() *circuit { return newCircuit(b, key, *trip) })
}

// acquire fills in p, which may be one that has ended, or says why not.
func (b *Breaker) acquire(ctx context.Context, c *circuit, p *Permit) error {
	*p = Permit{b: b, circuit: c}
	if c != nil {
		ticket, wait, ok := c.admit()
		switch {
		case ok:
			p.ticket = ticket
			if trip := b.trip.Load(); trip != nil && trip.SlowerThan > 0 {
				p.start = time.Now()
			}
		case b.dry.Load():
			p.circuit = nil
		default:
			return b.refusal(wait)
		}
	}
	err := b.enter(ctx, p)
	if err != nil && p.circuit != nil {
		p.circuit.settle(p.ticket, mesh.Outcome{Kind: mesh.Local})
	}
	return err
}

// enter takes room within the limits.
func (b *Breaker) enter(ctx context.Context, p *Permit) error {
	if b.limited.Load() {
		if b.queued.Load() {
			if err := b.line.enter(ctx, &b.limits); err != nil {
				return err
			}
			p.queued = true
		}
		if !b.limits.TakeRequest() {
			p.leave()
			return Overflow(op)
		}
		p.counted = true
	}
	if g := b.grade.Load(); g != nil {
		if !g.take() {
			b.limits.overflows.Add(1)
			p.leave()
			return Overflow(op)
		}
		p.grade = g
		if p.start.IsZero() {
			p.start = time.Now()
		}
	}
	return nil
}

// leave gives back what was taken of the limits.
func (p *Permit) leave() {
	if p.counted {
		p.b.limits.GiveRequest()
	}
	if p.queued {
		p.b.line.leave(&p.b.limits)
	}
}

// Done ends the request that p let through. Where latency matters and o has none,
// it is measured from Acquire.
func (p Permit) Done(o mesh.Outcome) { p.done(o) }

func (p *Permit) done(o mesh.Outcome) {
	if p.b == nil {
		return
	}
	p.leave()
	if !p.start.IsZero() {
		now := time.Now()
		if o.Latency == 0 {
			o.Latency = now.Sub(p.start)
		}
		if p.grade != nil {
			active := p.grade.active.Load()
			p.grade.give()
			if o.Kind == mesh.Success {
				p.grade.observe(now, o.Latency, active)
			}
		}
	}
	if p.circuit != nil {
		p.circuit.settle(p.ticket, o)
	}
}

// refusal is what an open circuit says. Retry-After is when it will let a request
// through.
func (b *Breaker) refusal(wait time.Duration) *mesh.Error {
	e := Overflow(op)
	e.Err = ErrOpen
	seconds := max(int(math.Ceil(wait.Seconds())), 1)
	e.Header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	return e
}

// Stats is what a Breaker holds and has done.
type Stats struct {
	LimitsStats
	Bound int // of [Adaptive]; zero without

	State     State // of the circuit without a key
	Successes uint64
	Failures  uint64
	Refused   uint64 // by open circuits, or what would have been in a dry run
	Trips     uint64 // how often a circuit has opened
	Keys      int    // circuits of keys
	OpenKeys  []string
}

// Stats copies the counters. With keys it is the sum over the circuits that are
// kept.
func (b *Breaker) Stats() Stats {
	s := Stats{LimitsStats: b.limits.Stats()}
	if g := b.grade.Load(); g != nil {
		s.Bound = int(g.bound.Load())
	}
	b.events.mu.Lock()
	s.Trips = b.events.trips
	b.events.mu.Unlock()
	add := func(c *circuit) {
		s.Successes += c.successes.Load()
		s.Failures += c.failures.Load()
		s.Refused += c.refused.Load()
	}
	if c := b.sole.Load(); c != nil {
		s.State = c.state()
		add(c)
	}
	for _, c := range b.keyed.all() {
		s.Keys++
		add(c)
		if c.state() != Closed {
			s.OpenKeys = append(s.OpenKeys, c.key)
		}
	}
	return s
}

// Changes yields the last 256 changes of state, the oldest first.
func (b *Breaker) Changes() iter.Seq[Change] { return b.events.all() }
