package authz

import (
	"slices"
)

// An entry is one rule of one policy.
type entry struct {
	policy string
	rule   int
	action Action
	tests  rule
}

// A ruleSet is the rules of all policies of one action in their order. Rules that
// ask for exact principals, or for exact paths, are found by these.
type ruleSet struct {
	all         []entry
	byPrincipal map[string][]int
	byPath      map[string][]int
	rest        []int
}

func (s *ruleSet) add(e entry, r *Rule) {
	n := len(s.all)
	s.all = append(s.all, e)
	if keys := exactKeys(len(r.From), func(i int) Set { return r.From[i].Principals }); keys != nil {
		s.byPrincipal = addKeys(s.byPrincipal, keys, n)
		return
	}
	if keys := exactKeys(len(r.To), func(i int) Set { return r.To[i].Paths }); keys != nil {
		s.byPath = addKeys(s.byPath, keys, n)
		return
	}
	s.rest = append(s.rest, n)
}

func addKeys(m map[string][]int, keys []string, n int) map[string][]int {
	if m == nil {
		m = map[string][]int{}
	}
	for _, key := range keys {
		m[key] = append(m[key], n)
	}
	return m
}

// exactKeys are the texts of which a request must have one, if every alternative
// says so in exact values; otherwise nil.
func exactKeys(n int, set func(int) Set) []string {
	var keys []string
	for i := range n {
		in := set(i).In
		if len(in) == 0 {
			return nil
		}
		for _, v := range in {
			text, exact := v.Literal()
			if !exact {
				return nil
			}
			if !slices.Contains(keys, text) {
				keys = append(keys, text)
			}
		}
	}
	return keys
}

// find is the first rule that matches, or nil.
func (s *ruleSet) find(f *facts) *entry {
	if len(s.all) == 0 {
		return nil
	}
	var lists [3][]int
	if s.byPrincipal != nil {
		if id, ok := f.principal(); ok {
			lists[0] = s.byPrincipal[id]
		}
	}
	if s.byPath != nil {
		lists[1] = s.byPath[f.path]
	}
	lists[2] = s.rest
	for {
		// The smallest number left in any list comes next: rules keep their order.
		from := -1
		for i := range lists {
			if len(lists[i]) > 0 && (from < 0 || lists[i][0] < lists[from][0]) {
				from = i
			}
		}
		if from < 0 {
			return nil
		}
		n := lists[from][0]
		lists[from] = lists[from][1:]
		if s.all[n].tests.matches(f) {
			return &s.all[n]
		}
	}
}
