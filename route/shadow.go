package route

import (
	"iter"

	"github.com/sidecarless/mesh/match"
)

// Shadowed yields the rules that no request can reach, each with an earlier rule
// that hides it, by their names. A rule is hidden if for each of its hosts each of
// its descriptions is covered by a description of an earlier rule: an exact path
// by the prefix before it, a regular expression by the prefix it begins with,
// everything by a rule without conditions. What is covered only by several
// descriptions together is not found, so a rule that is not listed may be
// unreachable all the same; a rule that is listed is.
func (t *Table[T]) Shadowed() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		s := t.now.Load()
		if s == nil {
			return
		}
		earlier := make(map[string]*passed)
		for i := range s.rules {
			rule := &s.rules[i]
			if by := hider(earlier, rule.Hosts, anyOf(rule.Match)); by >= 0 && !yield(rule.Name, s.rules[by].Name) {
				return
			}
			for _, h := range patterns(rule.Hosts) {
				if earlier[h] == nil {
					earlier[h] = new(passed)
				}
				earlier[h].add(i, anyOf(rule.Match))
			}
		}
	}
}

// hider is the first rule that hides a part of a rule if all of it is hidden by
// the earlier ones of its hosts, and else -1.
func hider(earlier map[string]*passed, hosts []string, anyOf []match.Request) int {
	first := -1
	for _, h := range patterns(hosts) {
		if earlier[h] == nil {
			return -1
		}
		for i := range anyOf {
			by := earlier[h].coverer(&anyOf[i])
			if by < 0 {
				return -1
			}
			if first < 0 {
				first = by
			}
		}
	}
	return first
}

// passed are the descriptions of earlier rules. One that asks for an exact path,
// header or method can only cover another that asks for the same.
type passed struct {
	placed map[place][]description
	rest   []description
}

type description struct {
	rule int
	req  *match.Request
}

func (p *passed) add(rule int, anyOf []match.Request) {
	for i := range anyOf {
		d := description{rule, &anyOf[i]}
		if at := exactPlaces(d.req); len(at) > 0 {
			put(&p.placed, at[0], append(p.placed[at[0]], d))
		} else {
			p.rest = append(p.rest, d)
		}
	}
}

// coverer is the first rule with a description that covers q, or -1.
func (p *passed) coverer(q *match.Request) int {
	first := -1
	look := func(among []description) {
		for _, d := range among {
			if first >= 0 && first <= d.rule {
				return
			}
			if d.req.Covers(*q) {
				first = d.rule
				return
			}
		}
	}
	look(p.rest)
	for _, at := range exactPlaces(q) {
		look(p.placed[at])
	}
	return first
}

// exactPlaces are the places where an index can hold q for an exact text.
func exactPlaces(q *match.Request) []place {
	var all []place
	it := item{req: q, headTold: true}
	it.eachPlace(func(at place, _ int) { all = append(all, at) })
	return all
}

// anyOf are the descriptions of a rule: one that fits all if it has none.
func anyOf(requests []match.Request) []match.Request {
	if len(requests) == 0 {
		return []match.Request{{}}
	}
	return requests
}
