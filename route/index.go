package route

import "github.com/sidecarless/mesh/match"

// An item is one description of one rule, on its way into an index.
type item struct {
	seq, rule int
	req       match.Request
}

// An entry is a description in an index, with what remains to be tested.
type entry struct {
	seq, rule int
	rest      *match.Matcher
}

func appendItems(items []item, rule int, requests []match.Request) []item {
	if len(requests) == 0 {
		return append(items, item{len(items), rule, match.Request{}})
	}
	for _, q := range requests {
		items = append(items, item{len(items), rule, q})
	}
	return items
}

type index struct{ rest []entry }

func build(items []item) *index {
	x := new(index)
	for _, it := range items {
		m, _ := match.New(it.req)
		x.rest = append(x.rest, entry{it.seq, it.rule, m})
	}
	return x
}

func (x *index) find(v *match.View, best *entry) *entry {
	return first(x.rest, v, best)
}

// first is the first entry that fits, or best if that comes before it.
func first(entries []entry, v *match.View, best *entry) *entry {
	for i := range entries {
		e := &entries[i]
		if best != nil && best.seq < e.seq {
			return best
		}
		if e.rest == nil || e.rest.MatchView(v) {
			return e
		}
	}
	return best
}
