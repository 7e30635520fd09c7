package route

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
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
// "route[2].Match[0].Path".
func New[T any](rules ...Rule[T]) (*Table[T], error) {
	t := new(Table[T])
	if err := t.Update(rules...); err != nil {
		return nil, err
	}
	return t, nil
}

// Update replaces all rules at once. If anything is wrong with them the table
// stays as it was. A request keeps the rule it was given before. The lists in the
// rules belong to the table from then on.
func (t *Table[T]) Update(rules ...Rule[T]) error {
	s, err := compile(rules)
	if err != nil {
		return err
	}
	t.now.Store(s)
	return nil
}

func compile[T any](rules []Rule[T]) (*snapshot[T], error) {
	l := check.List{Prefix: "route"}
	byHost := make(map[string][]item)
	for i := range rules {
		if err := rules[i].validate(); err != nil {
			l.Include("["+strconv.Itoa(i)+"]", err)
		}
		for _, h := range patterns(rules[i].Hosts) {
			byHost[h] = appendItems(byHost[h], i, rules[i].Match)
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	s := &snapshot[T]{rules: slices.Clone(rules)}
	for h, items := range byHost {
		s.hosts.add(h, &ruleSet{index: build(items), rules: rulesOf(items)})
	}
	return s, nil
}

// appendItems appends the descriptions of one rule.
func appendItems(items []item, rule int, anyOf []match.Request) []item {
	if len(anyOf) == 0 {
		return append(items, item{entry: entry{seq: int32(len(items)), rule: int32(rule)}})
	}
	for i := range anyOf {
		it := item{entry: entry{seq: int32(len(items)), rule: int32(rule)}}
		if !anyOf[i].IsZero() {
			it.req = &anyOf[i]
		}
		items = append(items, it)
	}
	return items
}

// rulesOf are the rules whose descriptions the items are, each once.
func rulesOf(items []item) []int32 {
	rules := make([]int32, 0, len(items))
	for _, it := range items {
		if n := len(rules); n == 0 || rules[n-1] != it.rule {
			rules = append(rules, it.rule)
		}
	}
	return rules
}

// Lookup is the rule for r. It allocates nothing. The rule must not be changed.
func (t *Table[T]) Lookup(r *http.Request) (rule *Rule[T], ok bool) {
	s := t.now.Load()
	if s == nil {
		return nil, false
	}
	v := match.ViewOf(r)
	x := s.hosts.find(&v)
	if x == nil {
		return nil, false
	}
	e := x.index.find(&v, nil)
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
