package route

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A Table holds rules and finds the one for a request. It may be used by several
// goroutines, also while it is updated. The zero Table has no rules.
type Table[T any] struct {
	now atomic.Pointer[snapshot[T]]
}

// A snapshot is compiled rules. It does not change.
type snapshot[T any] struct {
	rules []Rule[T]
	hosts hosts
}

// New makes a table of rules in their order. The fields of problems are such as
// "rules[2].Match[0].Path".
func New[T any](rules ...Rule[T]) (*Table[T], error) {
	t := new(Table[T])
	if err := t.Update(rules...); err != nil {
		return nil, err
	}
	return t, nil
}

// Update replaces all rules at once. If anything is wrong with them the table
// stays as it was. A request keeps the rule it was given before.
func (t *Table[T]) Update(rules ...Rule[T]) error {
	s, err := compile(rules)
	if err != nil {
		return err
	}
	t.now.Store(s)
	return nil
}

func compile[T any](rules []Rule[T]) (*snapshot[T], error) {
	var l check.List
	s := &snapshot[T]{rules: slices.Clone(rules)}
	byHost := make(map[string][]item)
	for i := range s.rules {
		r := &s.rules[i]
		r.Hosts, r.Match = slices.Clone(r.Hosts), slices.Clone(r.Match)
		field := "rules[" + strconv.Itoa(i) + "]"
		for j, h := range r.Hosts {
			if reason := badHost(h); reason != "" {
				l.Add(field+".Hosts["+strconv.Itoa(j)+"]", h, "%s", reason)
			}
		}
		for j := range r.Match {
			if _, err := match.New(r.Match[j]); err != nil {
				l.Include(field+".Match["+strconv.Itoa(j)+"]", err)
			}
		}
		for _, h := range patterns(r.Hosts) {
			byHost[h] = appendItems(byHost[h], i, r.Match)
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	for h, items := range byHost {
		x := build(items)
		for _, it := range items {
			if n := len(x.rules); n == 0 || x.rules[n-1] != it.rule {
				x.rules = append(x.rules, it.rule)
			}
		}
		s.hosts.add(h, x)
	}
	return s, nil
}

// patterns are the hosts of a rule in lower case, each once.
func patterns(hosts []string) []string {
	if len(hosts) == 0 {
		return []string{anyHost}
	}
	all := make([]string, 0, len(hosts))
	for _, h := range hosts {
		if h = strings.ToLower(h); !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}

// Lookup is the rule for r. It allocates nothing. The rule must not be changed.
func (t *Table[T]) Lookup(r *http.Request) (rule *Rule[T], ok bool) {
	s := t.now.Load()
	if s == nil {
		return nil, false
	}
	v := match.ViewOf(r)
	x := s.hosts.find(v.Host())
	if x == nil {
		return nil, false
	}
	e := x.find(&v, nil)
	if e == nil {
		return nil, false
	}
	return &s.rules[e.rule], true
}

// Rules yields the rules in their order.
func (t *Table[T]) Rules() iter.Seq[Rule[T]] {
	return func(yield func(Rule[T]) bool) {
		s := t.now.Load()
		if s == nil {
			return
		}
		for _, r := range s.rules {
			if !yield(r) {
				return
			}
		}
	}
}
