package lb

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh/internal/check"
)

// A Placement arranges endpoints by where they are, before they are used: it
// sets priorities or weights and leaves out what is not to be used. It does not
// change the list that it gets, and keeps the order.
type Placement interface {
	Place(endpoints []Endpoint) []Endpoint
}

// A Subset is a fixed share of a large fleet, so that not every client keeps
// connections to every endpoint. Each client gets other endpoints, the same ones
// every time, and an endpoint that comes or goes changes few clients' sets: the
// endpoints with the highest hash of client and address are in (rendezvous
// hashing).
type Subset struct {
	// Client is the name of this process, unlike that of any other client.
	Client string
	// Size is how many endpoints it uses of each priority.
	Size int
}

// Place implements [Placement].
func (s Subset) Place(endpoints []Endpoint) []Endpoint {
	type candidate struct {
		rank  uint64
		index int
	}
	levels := make(map[uint32][]candidate)
	var text []byte
	for i := range endpoints {
		e := &endpoints[i]
		text = append(append(append(text[:0], s.Client...), 0), e.hashKey()...)
		levels[e.Priority] = append(levels[e.Priority], candidate{xxhash.Sum64(text), i})
	}
	in := make([]bool, len(endpoints))
	for _, level := range levels {
		slices.SortFunc(level, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.index, b.index))
		})
		for _, c := range level[:min(s.Size, len(level))] {
			in[c.index] = true
		}
	}
	var kept []Endpoint
	for i, e := range endpoints {
		if in[i] {
			kept = append(kept, e)
		}
	}
	return kept
}

// Validate reports what is wrong with the settings.
func (s Subset) Validate() error {
	l := check.List{Prefix: "lb"}
	if s.Size < 1 {
		l.Add("Size", s.Size, "must be at least 1")
	}
	if s.Client == "" {
		l.Add("Client", nil, "must be set: all clients of the same name use the same endpoints")
	}
	return l.Err()
}
