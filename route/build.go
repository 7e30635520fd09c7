package route

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// An item is one description of a rule on its way into an index.
type item struct {
	seq, rule int
	req       match.Request // what is not told by the places passed so far
	headTold  bool          // the place of its path's beginning has been passed
}

// appendItems appends the descriptions of one rule.
func appendItems(items []item, rule int, requests []match.Request) []item {
	if len(requests) == 0 {
		return append(items, item{seq: len(items), rule: rule})
	}
	for _, q := range requests {
		items = append(items, item{seq: len(items), rule: rule, req: q})
	}
	return items
}

// few descriptions are tried one by one sooner than looked up.
const few = 4

// A place is where an index can hold a description.
type place struct {
	kind placeKind
	name string // of the header
	text string
}

type placeKind uint8

// In the order of preference between places that hold equally many.
const (
	nowhere placeKind = iota
	byPath
	byHeader
	byHead
	byMethod
)

// build makes an index of items that are in order. Each goes to the place that it
// shares with the fewest.
func build(items []item) *index {
	x := new(index)
	if len(items) <= few {
		x.rest = entries(items)
		return x
	}
	crowd := make(map[place]int, len(items))
	for i := range items {
		eachPlace(&items[i], func(p place) { crowd[p]++ })
	}
	placed := make(map[place][]item, len(crowd))
	var rest []item
	for _, it := range items {
		var least place
		eachPlace(&it, func(p place) {
			if least.kind == nowhere || crowd[p] < crowd[least] || crowd[p] == crowd[least] && p.kind < least.kind {
				least = p
			}
		})
		if least.kind == nowhere {
			rest = append(rest, it)
			continue
		}
		placed[least] = append(placed[least], it.in(least))
	}
	for p, items := range placed {
		x.add(p, makeGroup(items))
	}
	x.rest = entries(rest)
	return x
}

// makeGroup makes what stands in one place.
func makeGroup(items []item) group {
	if len(items) <= few {
		return group{entries: entries(items)}
	}
	return group{deeper: build(items)}
}

// entries compiles what is left of items.
func entries(items []item) []entry {
	all := make([]entry, len(items))
	for i, it := range items {
		all[i] = entry{seq: it.seq, rule: it.rule}
		if !it.req.IsZero() {
			all[i].rest, _ = match.New(it.req) // its problems were reported before
		}
	}
	return all
}

// add puts g in its place.
func (x *index) add(p place, g group) {
	switch p.kind {
	case byPath:
		put(&x.paths, p.text, g)
	case byMethod:
		put(&x.methods, p.text, g)
	case byHead:
		if x.heads == nil {
			x.heads = new(node)
		}
		x.heads.insert(p.text, g)
	case byHeader:
		lines := x.byName[p.name]
		if lines == nil {
			lines = make(map[string]group)
			put(&x.byName, p.name, lines)
			x.headers = append(x.headers, headerIndex{p.name, lines})
		}
		lines[p.text] = g
	}
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = value
}

// eachPlace calls f with the places where an index can hold it.
func eachPlace(it *item, f func(place)) {
	if path, ok := it.req.Path.Literal(); ok {
		f(place{kind: byPath, text: path})
	} else if head := it.req.Path.Head(); head != "" && !it.headTold {
		f(place{kind: byHead, text: head})
	}
	for i := range it.req.Headers {
		if p, ok := headerPlace(&it.req.Headers[i]); ok {
			f(p)
		}
	}
	if method, ok := it.req.Method.Literal(); ok {
		f(place{kind: byMethod, text: method})
	}
}

// headerPlace is the place of what asks for an exact line of a header. Names that
// stand for other parts of a request have none.
func headerPlace(f *match.Field) (place, bool) {
	line, ok := f.Value.Literal()
	if !ok || strings.HasPrefix(f.Name, ":") || strings.EqualFold(f.Name, "Host") {
		return place{}, false
	}
	return place{kind: byHeader, name: textproto.CanonicalMIMEHeaderKey(f.Name), text: line}, true
}

// in is what is left of it to be tested in place p.
func (it item) in(p place) item {
	switch p.kind {
	case byPath:
		it.req.Path = match.Value{}
	case byMethod:
		it.req.Method = match.Value{}
	case byHead:
		it.headTold = true
		if it.req.Path == match.Prefix(p.text) {
			it.req.Path = match.Value{}
		}
	case byHeader:
		it.req.Headers = slices.DeleteFunc(slices.Clone(it.req.Headers), func(f match.Field) bool {
			fp, ok := headerPlace(&f)
			return ok && fp == p
		})
	}
	return it
}
