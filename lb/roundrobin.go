package lb

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// RoundRobin goes through the hosts in turn, from a random one on: in the order
// of the endpoints where all weights are equal, else in Envoy's schedule, by
// which a host of weight 3 comes up three times as often as one of weight 1.
type RoundRobin struct{}

// Picker implements [Algorithm].
func (a RoundRobin) Picker(hosts []*Host) (Picker, error) {
	return a.start(hosts, rand.Uint64(), time.Now().UnixNano()), nil
}

// start is a picker whose beginning is up to a draw.
func (RoundRobin) start(hosts []*Host, draw uint64, now int64) Picker {
	return scheduled(hosts, newRotation(hosts, draw), weightOnly, draw, now)
}

// A rotation goes through hosts in turn.
type rotation struct {
	hosts []*Host
	_     [64]byte // next is written for every request: it shares its cache line with nothing
	next  atomic.Uint64
	_     [56]byte
}

func newRotation(hosts []*Host, draw uint64) *rotation {
	p := &rotation{hosts: hosts}
	p.next.Store(uint64(below(draw, len(hosts))))
	return p
}

// Pick implements [Picker].
func (p *rotation) Pick(Query) *Host {
	return p.hosts[(p.next.Add(1)-1)%uint64(len(p.hosts))]
}
