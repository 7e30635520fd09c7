package lb

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// A maglevMember is a member while the table is filled.
type maglevMember struct {
	slot, skip  uint64 // the slot that it prefers next, and the way to the one after
	share, owed float64
	index       uint32
}

// advance moves on to the next slot that the member prefers, in a table of m.
func (p *maglevMember) advance(m uint64) {
	if p.slot += p.skip; p.slot >= m {
		p.slot -= m
	}
}

// buildMaglev fills a table of size slots, a prime, with the indexes of members.
// Each member prefers the slots in an order of its own and takes the best free
// one in its turn; a member with half the largest share gets every second turn.
// Turns go by key, so that the order of the members does not matter.
func buildMaglev(keys []string, shares []float64, size int) []uint32 {
	const free = ^uint32(0)
	members := make([]maglevMember, len(keys))
	m := uint64(size)
	for i, key := range keys {
		members[i] = maglevMember{
			index: uint32(i),
			slot:  xxhash.Sum64String(key) % m,
			skip:  seededHash(key, 1)%(m-1) + 1,
			share: shares[i],
		}
	}
	slices.SortStableFunc(members, func(a, b maglevMember) int { return cmp.Compare(keys[a.index], keys[b.index]) })
	largest := slices.Max(shares)

	table := slices.Repeat([]uint32{free}, size)
	left := size
	for turn := 1.0; ; turn++ {
		for i := range members {
			p := &members[i]
			if turn*p.share < p.owed {
				continue
			}
			p.owed += largest
			for table[p.slot] != free {
				p.advance(m)
			}
			table[p.slot] = p.index
			p.advance(m)
			if left--; left == 0 {
				return table
			}
		}
	}
}
