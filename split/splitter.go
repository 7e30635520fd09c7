package split

import (
	"iter"
	"net/http"
	"sync/atomic"
)

// A Branch is one side of a split.
type Branch[T any] struct {
	// Name identifies the branch in logs and, when the split is sticky, in the
	// hash that gives users to branches. It must not be empty. Two branches may
	// have the same name, as an Istio route may list a destination twice.
	Name string

	// Weight is the branch's part of the sum of all weights; the sum may be
	// anything up to 2^32-1. A branch of weight zero gets no traffic.
	Weight uint32

	// Value is what stands behind the branch.
	Value T
}

// ClientBranch is a branch that sends a client's requests.
type ClientBranch = Branch[http.RoundTripper]

// ServerBranch is a branch that serves requests.
type ServerBranch = Branch[http.Handler]

// A Splitter chooses branches by their weights. It is made by [New] and may be
// used by many goroutines while it is updated.
type Splitter[T any] struct {
	// Rand draws 64 random bits for [Transport] and [Handler], for a run that is to be
	// repeated; it is called by many goroutines. Nil is the generator of math/rand/v2.
	// It is set before the first request.
	Rand func() uint64

	now atomic.Pointer[table[T]]
}

// New returns a splitter over branches. At least one must have a weight; every
// problem is reported, with a field such as "split[1].Weight".
func New[T any](branches ...Branch[T]) (*Splitter[T], error) {
	s := new(Splitter[T])
	if err := s.Update(branches...); err != nil {
		return nil, err
	}
	return s, nil
}

// Update replaces all branches at once. With an error nothing has changed.
// Requests that have their branch already stay with it.
func (s *Splitter[T]) Update(branches ...Branch[T]) error {
	t, err := compile(branches)
	if err != nil {
		return err
	}
	s.now.Store(t)
	return nil
}

// Pick is the branch for a draw, a number of 64 random bits: the first branch
// whose weight, added to those before it, exceeds draw modulo the sum of weights.
// This is how Envoy walks its weighted clusters, for random values and for hashes.
// Equal draws get equal branches. Pick allocates nothing and takes the same time
// for any number of branches.
func (s *Splitter[T]) Pick(draw uint64) *Branch[T] {
	return s.now.Load().pick(draw)
}

// PickKey is the branch of a user: key is what identifies the user, such as an
// account or the value of a cookie, and split is the name of this split, which
// may be empty. The choice depends on nothing else but the branches' names and
// weights, so that all processes agree.
//
// It is a weighted rendezvous: each branch gets the score -weight/ln(u), where u
// in (0, 1) comes from xxHash64 of split, the branch's name and key, and the
// highest score wins. When weights change, users come to branches whose share
// grew and leave those whose share shrank, and none moves between two branches
// whose weights kept their ratio. The time is linear in the number of branches.
func (s *Splitter[T]) PickKey(split, key string) *Branch[T] {
	return s.now.Load().pickKey(split, key)
}

// Branches yields the branches in their order.
func (s *Splitter[T]) Branches() iter.Seq[Branch[T]] {
	t := s.now.Load()
	return func(yield func(Branch[T]) bool) {
		for _, b := range t.branches {
			if !yield(b) {
				return
			}
		}
	}
}
