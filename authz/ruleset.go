package authz

// An entry is one rule of one policy.
type entry struct {
	policy string
	number int
	action Action
	rule   rule

	principals, paths []string // of which a request must have one; nil if any may do
}

func (e *entry) decision(allowed bool) Decision {
	return Decision{Allowed: allowed, Action: e.action, Policy: e.policy, Rule: e.number}
}

// A ruleSet is the rules of all policies of one action in their order. Those that
// ask for exact principals, or for exact paths, are found by these.
type ruleSet struct {
	all         []entry
	byPrincipal map[string][]int
	byPath      map[string][]int
	rest        []int // those that are not in a map
}

func (s *ruleSet) add(e entry, r *Rule) {
	e.principals = exact(len(r.From), func(i int) Set { return r.From[i].Principals })
	e.paths = exact(len(r.To), func(i int) Set { return r.To[i].Paths })
	s.all = append(s.all, e)
}

// exact are the texts of which a request must have one, if every alternative asks
// for exact ones; otherwise nil.
func exact(alternatives int, set func(int) Set) []string {
	var all []string
	for i := range alternatives {
		in := set(i).In
		if len(in) == 0 {
			return nil
		}
		for _, v := range in {
			text, ok := v.Literal()
			if !ok {
				return nil
			}
			all = append(all, text)
		}
	}
	return all
}

// sort puts each rule into the map in which it meets fewer others.
func (s *ruleSet) sort() {
	s.byPrincipal, s.byPath = map[string][]int{}, map[string][]int{}
	principals, paths := map[string]int{}, map[string]int{}
	for _, e := range s.all {
		count(principals, e.principals)
		count(paths, e.paths)
	}
	for n, e := range s.all {
		switch crowd := most(principals, e.principals); {
		case e.principals != nil && (e.paths == nil || crowd <= most(paths, e.paths)):
			put(s.byPrincipal, e.principals, n)
		case e.paths != nil:
			put(s.byPath, e.paths, n)
		default:
			s.rest = append(s.rest, n)
		}
	}
}

func count(m map[string]int, keys []string) {
	for _, key := range keys {
		m[key]++
	}
}

func most(m map[string]int, keys []string) (n int) {
	for _, key := range keys {
		n = max(n, m[key])
	}
	return n
}

// put lists number n under each of the keys once.
func put(m map[string][]int, keys []string, n int) {
	for _, key := range keys {
		if list := m[key]; len(list) == 0 || list[len(list)-1] != n {
			m[key] = append(list, n)
		}
	}
}

// find is the first rule that matches, or nil.
func (s *ruleSet) find(f *facts) *entry {
	if len(s.all) == 0 {
		return nil
	}
	lists := [3][]int{2: s.rest}
	if len(s.byPath) > 0 {
		lists[1] = s.byPath[f.path]
	}
	if len(s.byPrincipal) > 0 {
		lists[0] = s.byPrincipal[f.identity()] // nobody's is in no list
	}
	for {
		// The smallest number left in any list comes next: rules keep their order.
		next := -1
		for i := range lists {
			if len(lists[i]) > 0 && (next < 0 || lists[i][0] < lists[next][0]) {
				next = i
			}
		}
		if next < 0 {
			return nil
		}
		e := &s.all[lists[next][0]]
		lists[next] = lists[next][1:]
		if e.rule.matches(f) {
			return e
		}
	}
}
