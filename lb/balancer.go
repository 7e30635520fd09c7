package lb

import (
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
)

// A Balancer picks a host for each request. Picks read one immutable snapshot
// and take no lock, but for schedules of unequal weights. What is known of a host
// outlives snapshots, for as long as its address is among the endpoints.
//
// It has no goroutine, except while a large set is rebuilt because the health of
// a host changed.
type Balancer struct {
	current atomic.Pointer[snapshot]
	changes changes
}

// New makes a balancer. The error lists every problem of the configuration.
func New(c Config) (*Balancer, error) {
	b := new(Balancer)
	if c.Endpoints == nil {
		c.Endpoints = []Endpoint{}
	}
	if err := b.Update(c); err != nil {
		return nil, err
	}
	return b, nil
}

// Update replaces the configuration, all or nothing. Endpoints that are nil stay
// as they are; to have none, give an empty list. Requests under way finish on
// what they started with.
func (b *Balancer) Update(c Config) error {
	k, err := c.compile()
	if err := errors.Join(err, checkEndpoints(c.Endpoints, c.LocalityWeighted)); err != nil {
		return err
	}
	return b.apply(&change{conf: k, endpoints: slices.Clone(c.Endpoints)})
}

// SetEndpoints replaces the endpoints, all or nothing, and returns when picks go
// by them. Calls made at the same time are carried out together.
func (b *Balancer) SetEndpoints(endpoints []Endpoint) error {
	if err := checkEndpoints(endpoints, b.current.Load().conf.weighted); err != nil {
		return err
	}
	return b.apply(&change{endpoints: append([]Endpoint{}, endpoints...)})
}

// Pick picks a host, on which the request counts until [Lease.Done]. The error
// is an [*mesh.Error] with flag UH whose cause is a [*NoHostError].
func (b *Balancer) Pick(q Query) (Lease, error) {
	s := b.current.Load()
	if q.Draw == 0 && s.draws && !(q.Hashed && s.conf.consistent != nil) {
		q.Draw = s.conf.rand()
	}
	if q.Now == 0 && s.conf.timed {
		q.Now = time.Now().UnixNano()
	}
	if s.direct != nil && len(q.Tried) == 0 {
		if h := s.direct.Pick(q); h.usable() {
			h.begin()
			return Lease{h, s.conf}, nil
		}
	}
	return b.pick(q, retrying{})
}

// pick is Pick where there is more to decide than one algorithm does.
func (b *Balancer) pick(q Query, r retrying) (Lease, error) {
	s := b.current.Load()
	if q.Draw == 0 {
		q.Draw = s.conf.rand()
	}
	h := s.pick(q, r)
	if h == nil && b.settle() {
		// A host had come back of which the snapshot did not know.
		s = b.current.Load()
		h = s.pick(q, r)
	}
	if h == nil {
		return Lease{}, s.noHost()
	}
	h.begin()
	return Lease{h, s.conf}, nil
}

// A Lease is a picked host, on which a request counts until Done.
type Lease struct {
	host *Host
	conf *compiled
}

// Host is the picked host.
func (l Lease) Host() *Host { return l.host }

// Done ends the request and tells observers how it went. It must be called once.
func (l Lease) Done(o mesh.Outcome) {
	l.host.end()
	if o.Kind == mesh.Failure || len(l.conf.observers) > 0 {
		l.observe(o)
	}
}

func (l Lease) observe(o mesh.Outcome) {
	if o.Kind == mesh.Failure {
		l.host.failures.Add(1)
	}
	for _, observer := range l.conf.observers {
		observer.Observe(l.host, o)
	}
}

// Hosts yields the hosts in the order of the endpoints, ejected ones included and
// without those that placement leaves out.
func (b *Balancer) Hosts() iter.Seq[*Host] { return slices.Values(b.current.Load().set.hosts) }

// Host is the host of an address, or nil.
func (b *Balancer) Host(addr string) *Host { return b.current.Load().set.find(addr) }
