package lb

import (
	"math"
	"slices"
)

// A bound keeps a hashed endpoint from getting more than its part of the load:
// consistent hashing with bounded loads, as Envoy does it with its
// hash_balance_factor.
type bound struct {
	hosts   []*Host
	shares  []float64
	percent uint64 // of its part of the requests in flight, that a host may have
}

// newBound is nil where factor is zero.
func newBound(hosts []*Host, shares []float64, factor int) *bound {
	if factor == 0 {
		return nil
	}
	return &bound{hosts, shares, uint64(factor)}
}

// choose is the host to which a key goes that hashes to the host of index first:
// that one if it has room, else the first with room in an order of all hosts that
// is drawn from the hash, so that a key finds the same substitutes each time. If
// none has room it is the least loaded of them.
func (b *bound) choose(first uint32, hash uint64, tried []*Host) *Host {
	// Any host has room for two, whatever the others have.
	if b.hosts[first].Active() <= 1 {
		return b.hosts[first]
	}
	slots := b.slots()
	least := b.load(first, slots)
	if least <= 1 {
		return b.hosts[first]
	}
	var space [128]uint32
	order := space[:]
	if len(b.hosts) > len(space) {
		order = make([]uint32, len(b.hosts))
	}
	order = order[:len(b.hosts)]
	for i := range order {
		order[i] = uint32(i)
	}
	best := first
	var random twister
	random.seed(uint32(hash))
	for i := range order {
		j := i + int(random.below(uint32(len(order)-i)))
		order[i], order[j] = order[j], order[i]
		candidate := order[i]
		if candidate == first || slices.Contains(tried, b.hosts[candidate]) {
			continue
		}
		load := b.load(candidate, slots)
		if load <= 1 {
			return b.hosts[candidate]
		}
		if load < least {
			best, least = candidate, load
		}
	}
	return b.hosts[best]
}

// slots is how many requests all hosts together may have, the one to be placed
// included.
func (b *bound) slots() float64 {
	active := uint64(0)
	for _, h := range b.hosts {
		active += uint64(h.Active())
	}
	return float64(((active+1)*b.percent + 99) / 100)
}

// load is how much of its part of the slots a host uses; above 1 it is full.
func (b *bound) load(host uint32, slots float64) float64 {
	part := max(math.Ceil(slots*b.shares[host]), 1)
	return float64(b.hosts[host].Active()) / part
}
