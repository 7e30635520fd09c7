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
		byHost := make(map[string][]int)
		for i := range s.rules {
			rule := &s.rules[i]
			if by := s.hider(byHost, rule); by >= 0 && !yield(rule.Name, s.rules[by].Name) {
				return
			}
			for _, h := range patterns(rule.Hosts) {
				byHost[h] = append(byHost[h], i)
			}
		}
	}
}

// hider is the first rule that hides a part of the given one if all of it is
// hidden by the earlier rules of its hosts, and else -1.
func (s *snapshot[T]) hider(earlier map[string][]int, rule *Rule[T]) int {
	first := -1
	for _, h := range patterns(rule.Hosts) {
		for _, q := range anyOf(rule.Match) {
			by := s.coverer(earlier[h], q)
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

// coverer is the first of the rules that accepts all that q does, or -1.
func (s *snapshot[T]) coverer(rules []int, q match.Request) int {
	for _, i := range rules {
		for _, p := range anyOf(s.rules[i].Match) {
			if p.Covers(q) {
				return i
			}
		}
	}
	return -1
}

// anyOf are the descriptions of a rule: one that fits all if it has none.
func anyOf(requests []match.Request) []match.Request {
	if len(requests) == 0 {
		return []match.Request{{}}
	}
	return requests
}
