package split

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/sidecarless/mesh/internal/check"
)

// A table is one state of a splitter, made for picking.
type table[T any] struct {
	branches []Branch[T]
	ids      []string // of branches in the rendezvous: their names, told apart

	// sums[i] is the weight of branches up to and including i. guide[v>>shift] is
	// the branch of the smallest value with these upper bits, where the walk for v
	// starts. There are at least as many guides as branches, so that the walk takes
	// at most one step on average, however the weights are spread.
	sums  []uint64
	guide []uint32
	shift uint
	total uint64
}

func compile[T any](branches []Branch[T]) (*table[T], error) {
	problems := check.List{Prefix: "split"}
	t := &table[T]{branches: slices.Clone(branches)}
	seen := make(map[string]int, len(branches))
	for i, b := range branches {
		at := fmt.Sprintf("[%d]", i)
		if b.Name == "" {
			problems.Add(at+".Name", nil, "must not be empty")
		}
		if any(b.Value) == nil {
			problems.Add(at+".Value", nil, "must not be nil")
		}
		id := b.Name
		if n := seen[b.Name]; n > 0 {
			id = fmt.Sprintf("%s\x00%d", b.Name, n)
		}
		seen[b.Name]++
		t.ids = append(t.ids, id)
		t.total += uint64(b.Weight)
		t.sums = append(t.sums, t.total)
	}
	switch {
	case len(branches) == 0:
		problems.Add("", nil, "has no branches")
	case t.total == 0:
		problems.Add("", nil, "has no branch with a weight")
	case t.total > math.MaxUint32:
		problems.Add("", t.total, "the weights add up to more than %d", uint32(math.MaxUint32))
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	t.buildGuide()
	return t, nil
}

func (t *table[T]) buildGuide() {
	if width := bits.Len64(t.total-1) - bits.Len(uint(len(t.branches))) - 1; width > 0 {
		t.shift = uint(width)
	}
	t.guide = make([]uint32, (t.total-1)>>t.shift+1)
	at := 0
	for g := range t.guide {
		for t.sums[at] <= uint64(g)<<t.shift {
			at++
		}
		t.guide[g] = uint32(at)
	}
}

func (t *table[T]) pick(draw uint64) *Branch[T] { return t.at(draw % t.total) }

// at is the branch at v of the sum of weights.
func (t *table[T]) at(v uint64) *Branch[T] {
	i := t.guide[v>>t.shift]
	for v >= t.sums[i] {
		i++
	}
	return &t.branches[i]
}

func (t *table[T]) pickKey(split, key string) *Branch[T] {
	best, highest := 0, -1.0
	for i := range t.branches {
		weight := t.branches[i].Weight
		if weight == 0 {
			continue
		}
		// The middle of one of 2^52 equal steps is never 0 nor 1.
		u := (float64(hash(split, t.ids[i], key)>>12) + 0.5) / (1 << 52)
		if score := -float64(weight) / math.Log(u); score > highest {
			best, highest = i, score
		}
	}
	return &t.branches[best]
}

// hash is xxHash64 of its arguments with a zero byte between each two.
func hash(split, branch, key string) uint64 {
	var short [256]byte // longer texts are put together on the heap
	b := append(short[:0], split...)
	b = append(b, 0)
	b = append(b, branch...)
	b = append(b, 0)
	b = append(b, key...)
	return xxhash.Sum64(b)
}
