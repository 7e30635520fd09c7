package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// SortByPrecedence makes rules that have no order, as those of the Gateway API,
// into rules whose order means the same. There the best description decides,
// whichever rule it stands in: first the host it is for, an exact one before a
// wildcard and then the longer, then [match.Request.Compare], then the place in
// rules. So each rule becomes one for each of its hosts and descriptions, with the
// same name and value.
//
// There a request that no rule for its most specific host fits goes on to those
// for a less specific one. So each rule also gets all the hosts in rules that its
// own covers.
func SortByPrecedence[T any](rules []Rule[T]) []Rule[T] {
	type single struct {
		host string
		Rule[T]
	}
	var all []single
	var hosts []string
	for _, r := range rules {
		for _, h := range patterns(r.Hosts) {
			if !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
			for _, q := range anyOf(r.Match) {
				all = append(all, single{h, Rule[T]{Name: r.Name, Match: []match.Request{q}, Value: r.Value}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b single) int {
		return cmp.Or(moreSpecific(a.host, b.host), a.Match[0].Compare(b.Match[0]))
	})
	sorted := make([]Rule[T], len(all))
	for i, s := range all {
		sorted[i] = s.Rule
		for _, h := range hosts {
			if coversHost(s.host, h) {
				sorted[i].Hosts = append(sorted[i].Hosts, h)
			}
		}
	}
	return sorted
}

// moreSpecific is negative if host a has precedence over host b.
func moreSpecific(a, b string) int {
	wild := func(h string) int { return strings.Count(h, "*") }
	return cmp.Or(cmp.Compare(wild(a), wild(b)), cmp.Compare(len(b), len(a)))
}

// coversHost reports whether every host of pattern b, or the host b, fits a.
func coversHost(a, b string) bool {
	switch {
	case a == b || a == anyHost:
		return true
	case b == anyHost:
		return false
	case a[0] == '*':
		return b[len(b)-1] != '*' && len(b) >= len(a) && strings.HasSuffix(b, a[1:])
	case a[len(a)-1] == '*':
		return b[0] != '*' && len(b) >= len(a) && strings.HasPrefix(b, a[:len(a)-1])
	}
	return false
}
