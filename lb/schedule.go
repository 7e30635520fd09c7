package lb

import "sync/atomic"

// A loadWeight is the weight that a host has in a schedule at a time.
type loadWeight func(h *Host, now int64) float64

// weightOnly is what the endpoint has, less while it warms up.
func weightOnly(h *Host, now int64) float64 { return h.weightAt(now) }

// A schedule gives each host turns by its weight, which is asked for anew at each
// turn.
type schedule struct {
	hosts  []*Host
	weight loadWeight
	turns  *edf

	// While hosts of equal weight warm up they need a schedule, and afterwards
	// plain has them. It is nil where weights differ.
	plain Picker
	until int64 // the end of the last warm-up, in Unix nanoseconds
	warm  atomic.Bool
}

// scheduled is plain if all hosts have the same weight and none warms up, and
// else a schedule.
func scheduled(hosts []*Host, plain Picker, weight loadWeight, draw uint64, now int64) Picker {
	equal, until := true, hosts[0].warmUntil()
	for _, h := range hosts[1:] {
		equal = equal && h.Weight() == hosts[0].Weight()
		until = max(until, h.warmUntil())
	}
	warming := until > now
	if equal && !warming {
		return plain
	}
	p := &schedule{hosts: hosts, weight: weight, until: until}
	if equal {
		p.plain = plain
		p.warm.Store(true)
	}
	weights := make([]float64, len(hosts))
	for i, h := range hosts {
		weights[i] = weight(h, now)
	}
	p.turns = newEDF(weights, draw)
	return p
}

// Pick implements [Picker].
func (p *schedule) Pick(q Query) *Host {
	if p.plain != nil && (!p.warm.Load() || q.Now >= p.until) {
		if p.warm.Load() {
			p.warm.Store(false)
		}
		return p.plain.Pick(q)
	}
	p.turns.mu.Lock()
	h := p.hosts[p.turns.first()]
	p.turns.requeue(p.weight(h, q.Now))
	p.turns.mu.Unlock()
	return h
}
