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
	if q.Draw == 0 {
		q.Draw = s.conf.rand()
	}
	if s.conf.timed && q.Now == 0 {
		q.Now = time.Now().UnixNano()
	}
	h := s.pick(q)
	if h == nil {
		return b.pickSettled(q)
	}
	h.begin()
	return Lease{h, b}, nil
}

// pickSettled picks again when no host was found: the snapshot may not know yet
// that one has come back.
func (b *Balancer) pickSettled(q Query) (Lease, error) {
	s := b.current.Load()
	if b.settle() {
		s = b.current.Load()
		if h := s.pick(q); h != nil {
			h.begin()
			return Lease{h, b}, nil
		}
	}
	return Lease{}, s.noHost()
}

// pickRetry is Pick for a request that has tried hosts.
func (b *Balancer) pickRetry(q Query, r retrying) (Lease, error) {
	s := b.current.Load()
	q.Draw = s.conf.rand()
	if h := s.pickUntried(q, r); h != nil {
		h.begin()
		return Lease{h, b}, nil
	}
	return b.pickSettled(q)
}

// A Lease is a picked host, on which a request counts until Done.
type Lease struct {
	host     *Host
	balancer *Balancer
}

// Host is the picked host.
func (l Lease) Host() *Host { return l.host }

// Done ends the request and tells observers how it went. It must be called once.
func (l Lease) Done(o mesh.Outcome) {
	h := l.host
	h.end()
	if o.Kind == mesh.Failure {
		h.failures.Add(1)
	}
	for _, observer := range l.balancer.current.Load().conf.observers {
		observer.Observe(h, o)
	}
}

// Hosts yields the hosts in the order of the endpoints, those that are ejected
// included and those that placement leaves out not.
func (b *Balancer) Hosts() iter.Seq[*Host] { return slices.Values(b.current.Load().set.hosts) }

// Host is the host of an address, or nil.
func (b *Balancer) Host(addr string) *Host { return b.current.Load().set.find(addr) }
