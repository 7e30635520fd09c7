package route

import (
	"net/textproto"

	"github.com/sidecarless/mesh/match"
)

// An index finds among descriptions the first in order that fits a request. Each
// stands in one place: under an exact path, an exact line of a header, a method,
// the beginning of a path, or, if it has none of these, in rest. A request is
// asked for each of these parts once, and of the places where they lead the entry
// with the least number that fits is taken.
type index struct {
	paths   map[string]group
	headers []headerIndex
	byName  map[string]map[string]group // the same as headers
	methods map[string]group
	heads   *node
	rest    []entry
}

// A headerIndex holds what asks for an exact line of one header.
type headerIndex struct {
	name  string // canonical
	lines map[string]group
}

// A group is what stands in one place, in order. If that is much, it has an index
// of its own by what else is asked for.
type group struct {
	entries []entry
	deeper  *index
}

// An entry is one description of a rule.
type entry struct {
	seq  int32          // its place in the order of all
	rule int32          // whose it is
	rest *match.Matcher // what its place does not tell; nil if there is nothing
}

// find is the first entry that fits, or best if that comes before it.
func (x *index) find(v *match.View, best *entry) *entry {
	if x.paths != nil {
		best = x.paths[v.Path()].find(v, best)
	}
	if x.headers != nil {
		best = x.findByHeader(v, best)
	}
	if x.methods != nil {
		best = x.methods[v.Method()].find(v, best)
	}
	if x.heads != nil {
		best = x.heads.find(v, best)
	}
	if len(x.rest) == 0 {
		return best
	}
	return first(x.rest, v, best)
}

// findByHeader goes through the headers of the index or through those of the
// request, whichever are fewer.
func (x *index) findByHeader(v *match.View, best *entry) *entry {
	header := v.Request().Header
	if len(x.headers) > len(header) {
		for name, lines := range header {
			if groups := x.byName[name]; groups != nil {
				best = findByLine(groups, lines, v, best)
			}
		}
		return best
	}
	for i := range x.headers {
		h := &x.headers[i]
		if lines := header[h.name]; len(lines) > 0 {
			best = findByLine(h.lines, lines, v, best)
		}
	}
	return best
}

func findByLine(groups map[string]group, lines []string, v *match.View, best *entry) *entry {
	for _, line := range lines {
		best = groups[textproto.TrimString(line)].find(v, best)
	}
	return best
}

func (g group) find(v *match.View, best *entry) *entry {
	if g.deeper != nil {
		return g.deeper.find(v, best)
	}
	return first(g.entries, v, best)
}

// first is the first of entries that fits, or best if that comes before it.
func first(entries []entry, v *match.View, best *entry) *entry {
	for i := range entries {
		e := &entries[i]
		if best != nil && best.seq <= e.seq {
			return best
		}
		if e.rest == nil || e.rest.MatchView(v) {
			return e
		}
	}
	return best
}
