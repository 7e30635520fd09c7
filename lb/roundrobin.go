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
func (a RoundRobin) start(hosts []*Host, draw uint64, now int64) Picker {
	return a.goOn(hosts, newProgress(draw), draw, now)
}

// goOn is a picker that goes on from where another was, or where weights differ
// begins where a draw says.
func (RoundRobin) goOn(hosts []*Host, at *progress, draw uint64, now int64) Picker {
	p := scheduled(hosts, &rotation{hosts, at}, weightOnly, draw, now)
	if s, ok := p.(*schedule); ok && s.until <= now {
		if n := turnsOf(hosts); n <= maxTurns(len(hosts)) {
			return s.unroll(n)
		}
	}
	return p
}

// maxTurns is up to how many turns a schedule of n hosts is written out.
func maxTurns(n int) uint64 { return uint64(4096 + 8*n) }

// turnsOf is after how many turns a schedule begins anew: the sum of the weights
// in lowest terms.
func turnsOf(hosts []*Host) uint64 {
	sum, divisor := uint64(0), uint64(0)
	for _, h := range hosts {
		w := uint64(h.Weight())
		sum += w
		for w != 0 {
			divisor, w = w, divisor%w
		}
	}
	return sum / divisor
}

// unroll is the schedule's next n turns written out, to go through them without a
// lock.
func (p *schedule) unroll(n uint64) *rotation {
	turns := make([]*Host, n)
	for i := range turns {
		turns[i] = p.Pick(Query{})
	}
	return &rotation{turns, newProgress(0)}
}

// A rotation goes through hosts in turn.
type rotation struct {
	hosts []*Host // each as often as it has turns
	at    *progress
}

// Pick implements [Picker].
func (p *rotation) Pick(Query) *Host {
	return p.hosts[(p.at.next.Add(1)-1)%uint64(len(p.hosts))]
}

// A progress counts picks. It is written for every request and shares its cache line
// with nothing.
type progress struct {
	_    [64]byte
	next atomic.Uint64
	_    [56]byte
}

func newProgress(first uint64) *progress {
	p := new(progress)
	p.next.Store(first >> 32)
	return p
}
