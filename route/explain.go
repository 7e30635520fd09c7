package route

import (
	"iter"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// Explain yields the rules that compete for r, those of its host in their order,
// each with why it does not fit, such as `path "/v2": want prefix "/v1"`. The last
// is the rule that [Table.Lookup] finds, with an empty reason, unless none fits.
// Of a rule with several descriptions each one's reason is given.
func (t *Table[T]) Explain(r *http.Request) iter.Seq2[*Rule[T], string] {
	return func(yield func(*Rule[T], string) bool) {
		s := t.now.Load()
		if s == nil {
			return
		}
		v := match.ViewOf(r)
		x := s.hosts.find(&v)
		if x == nil {
			return
		}
		for _, i := range x.rules {
			reason := misfit(s.rules[i].Match, r)
			if !yield(&s.rules[i], reason) || reason == "" {
				return
			}
		}
	}
}

// misfit says why none of the descriptions fits r; it is empty if one does.
func misfit(anyOf []match.Request, r *http.Request) string {
	reasons := make([]string, len(anyOf))
	for i, q := range anyOf {
		if reasons[i] = q.Explain(r); reasons[i] == "" {
			return ""
		}
	}
	return strings.Join(reasons, "; ")
}
