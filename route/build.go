package route

import (
	"cmp"
	"slices"

	"github.com/sidecarless/mesh/match"
)

// An item is one description of a rule on its way into an index.
type item struct {
	entry
	req      *match.Request // what the places passed so far do not tell; nil if nothing
	headTold bool           // the place of its path's beginning has been passed
}

// few descriptions are tried one by one sooner than looked up.
const few = 4

// build makes an index of items that are in order. Each goes to the place that it
// could share with the fewest. A place where many remain gets an index of its own.
func build(items []item) *index {
	x := new(index)
	if len(items) <= few {
		x.rest = compileItems(items, nil)
		return x
	}
	p := newPlan(items)
	memory := make([]entry, 0, len(items))
	for id, items := range p.distribute(items) {
		if len(items) > few && id < len(p.places) {
			x.add(p.places[id], group{deeper: build(items)})
			continue
		}
		compiled := compileItems(items, memory)
		memory = compiled[len(compiled):cap(compiled)]
		switch {
		case id == len(p.places):
			x.rest = compiled
		case len(items) > 0:
			x.add(p.places[id], group{entries: compiled})
		}
	}
	return x
}

// compileItems compiles what is left of items, into memory as far as it reaches.
func compileItems(items []item, memory []entry) []entry {
	all := memory[:0]
	for _, it := range items {
		e := it.entry
		if it.req != nil {
			e.rest, _ = match.New(*it.req) // its problems were reported before
		}
		all = append(all, e)
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

func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = value
}

// A plan says which places could hold each of some items, and how many items each
// place could hold.
type plan struct {
	places  []place
	crowd   []int // how many items could go to each place
	ids     map[place]int
	options []option // of all items, one after the other
	ends    []int    // where those of each item end
}

// An option is a place for an item.
type option struct {
	place int // its index among the places
	field int // of the header that asks for it
}

func newPlan(items []item) *plan {
	p := &plan{
		ids:     make(map[place]int, len(items)),
		ends:    make([]int, 0, len(items)),
		options: make([]option, 0, len(items)),
		places:  make([]place, 0, len(items)),
		crowd:   make([]int, 0, len(items)),
	}
	for i := range items {
		items[i].eachPlace(p.add)
		p.ends = append(p.ends, len(p.options))
	}
	return p
}

func (p *plan) add(at place, field int) {
	id, ok := p.ids[at]
	if !ok {
		id = len(p.places)
		p.ids[at] = id
		p.places = append(p.places, at)
		p.crowd = append(p.crowd, 0)
	}
	p.crowd[id]++
	p.options = append(p.options, option{id, field})
}

// distribute gives the items of each place, and at the end those without one, all
// in their order.
func (p *plan) distribute(items []item) [][]item {
	choices := make([]option, len(items))
	sizes := make([]int, len(p.places)+1)
	for i := range items {
		choices[i] = p.best(i)
		sizes[choices[i].place]++
	}
	groups := make([][]item, len(sizes))
	memory := make([]item, len(items))
	for id, n := range sizes {
		groups[id], memory = memory[:0:n], memory[n:]
	}
	for i, it := range items {
		at := choices[i]
		if at.place < len(p.places) {
			it = it.in(p.places[at.place], at.field)
		}
		groups[at.place] = append(groups[at.place], it)
	}
	return groups
}

// best is the place for the i-th item; one past the last if there is none.
func (p *plan) best(i int) option {
	begin := 0
	if i > 0 {
		begin = p.ends[i-1]
	}
	options := p.options[begin:p.ends[i]]
	if len(options) == 0 {
		return option{place: len(p.places)}
	}
	return slices.MinFunc(options, func(a, b option) int {
		return cmp.Or(cmp.Compare(p.crowd[a.place], p.crowd[b.place]), cmp.Compare(p.places[a.place].kind, p.places[b.place].kind))
	})
}
