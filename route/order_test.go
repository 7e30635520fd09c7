package route_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

func TestShadowedRules(t *testing.T) {
	path := func(v match.Value) []match.Request { return []match.Request{{Path: v}} }
	for _, c := range []struct {
		about string
		rules []route.Rule[int]
		want  map[string]string
	}{
		{"an exact path below an earlier prefix", []route.Rule[int]{
			{Name: "wide", Match: path(match.Prefix("/a"))}, {Name: "narrow", Match: path(match.Exact("/a/b"))},
		}, map[string]string{"narrow": "wide"}},
		{"the other way round both are reached", []route.Rule[int]{
			{Name: "narrow", Match: path(match.Exact("/a/b"))}, {Name: "wide", Match: path(match.Prefix("/a"))},
		}, nil},
		{"everything after a rule without conditions", []route.Rule[int]{
			{Name: "all"}, {Name: "a", Match: path(match.Regex("/a|/b"))}, {Name: "b"},
		}, map[string]string{"a": "all", "b": "all"}},
		{"an expression that begins like an earlier prefix", []route.Rule[int]{
			{Name: "wide", Match: path(match.Regex("/api/.*"))}, {Name: "narrow", Match: path(match.Regex("/api/v[0-9]/x"))},
		}, map[string]string{"narrow": "wide"}},
		{"only one of two descriptions", []route.Rule[int]{
			{Name: "wide", Match: path(match.Prefix("/a"))},
			{Name: "half", Match: []match.Request{{Path: match.Exact("/a/b")}, {Path: match.Exact("/b")}}},
		}, nil},
		{"both, by two rules", []route.Rule[int]{
			{Name: "a", Match: path(match.Prefix("/a"))}, {Name: "b", Match: path(match.Prefix("/b"))},
			{Name: "late", Match: []match.Request{{Path: match.Exact("/a/b")}, {Path: match.Exact("/b")}}},
		}, map[string]string{"late": "a"}},
		{"the first of two that hide it is named", []route.Rule[int]{
			{Name: "exact", Match: path(match.Exact("/a"))}, {Name: "all"},
			{Name: "late", Match: []match.Request{{Path: match.Exact("/a"), Method: match.Exact("GET")}}},
		}, map[string]string{"late": "exact"}},
		{"also where the one is looked up and the other is not", []route.Rule[int]{
			{Name: "wide", Match: path(match.Prefix("/"))}, {Name: "exact", Match: path(match.Exact("/a"))},
			{Name: "late", Match: []match.Request{{Path: match.Exact("/a"), Method: match.Exact("GET")}}},
		}, map[string]string{"exact": "wide", "late": "wide"}},
		{"other hosts do not hide", []route.Rule[int]{
			{Name: "any"}, {Name: "a", Hosts: []string{"a.d"}}, {Name: "wide", Hosts: []string{"*.d"}},
		}, nil},
		{"the same host does, whatever its case", []route.Rule[int]{
			{Name: "first", Hosts: []string{"A.d"}}, {Name: "second", Hosts: []string{"a.D"}},
		}, map[string]string{"second": "first"}},
		{"one host of two", []route.Rule[int]{
			{Name: "first", Hosts: []string{"a.d"}}, {Name: "second", Hosts: []string{"a.d", "b.d"}},
		}, nil},
	} {
		got := maps.Collect(newTable(t, c.rules...).Shadowed())
		if c.want == nil {
			c.want = map[string]string{}
		}
		require.Equal(t, c.want, got, c.about)
	}
}

func TestAShadowedRuleIsNeverReached(t *testing.T) {
	shadowed := 0
	for seed := range uint64(400) {
		g := generator{rand.New(rand.NewPCG(11, seed))}
		table := newTable(t, g.rules(15, seed%2 == 0)...)
		hidden := maps.Collect(table.Shadowed())
		shadowed += len(hidden)
		for range 200 {
			if rule, ok := table.Lookup(g.http()); ok {
				require.NotContains(t, hidden, rule.Name)
			}
		}
	}
	require.Greater(t, shadowed, 200)
}

// bestOf is the Gateway API's choice, said slowly: of all that fits the best.
func bestOf(t *testing.T, rules []route.Rule[int], r *http.Request) int {
	type candidate struct {
		host string
		q    match.Request
		rule int
	}
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	var all []candidate
	for i, rule := range rules {
		for _, h := range hostsOf(rule) {
			if hostRank(h, host) == 0 {
				continue
			}
			anyOf := rule.Match
			if len(anyOf) == 0 {
				anyOf = []match.Request{{}}
			}
			for _, q := range anyOf {
				m, err := match.New(q)
				require.NoError(t, err)
				if m.Match(r) {
					all = append(all, candidate{h, q, i})
				}
			}
		}
	}
	if len(all) == 0 {
		return -1
	}
	return slices.MinFunc(all, func(a, b candidate) int {
		exact := func(h string) int {
			if strings.Contains(h, "*") {
				return 0
			}
			return len(h)
		}
		return cmp.Or(exact(b.host)-exact(a.host), len(b.host)-len(a.host), a.q.Compare(b.q), a.rule-b.rule)
	}).rule
}

func TestSortedByPrecedenceTheBestMatchIsFirst(t *testing.T) {
	hosts := []string{"a.d", "*.d", "*.sub.d", "a.sub.d", "*"} // the Gateway API has no other wildcards
	for seed := range uint64(300) {
		g := generator{rand.New(rand.NewPCG(12, seed))}
		rules := g.rules(12, false)
		for i := range rules {
			for range g.IntN(3) {
				rules[i].Hosts = append(rules[i].Hosts, g.one(hosts...))
			}
		}
		table := newTable(t, route.SortByPrecedence(rules)...)
		for range 50 {
			r := g.http()
			got := -1
			if rule, ok := table.Lookup(r); ok {
				got = rule.Value
			}
			require.Equal(t, bestOf(t, rules, r), got, "%s%s of %v", r.Host, r.URL, rules)
		}
	}
}

func TestExplainTellsWhatLookupDoes(t *testing.T) {
	for seed := range uint64(200) {
		g := generator{rand.New(rand.NewPCG(13, seed))}
		table := newTable(t, g.rules(12, seed%2 == 0)...)
		for range 20 {
			r := g.http()
			want, found := table.Lookup(r)
			fits := false
			for rule, reason := range table.Explain(r) {
				require.False(t, fits, "nothing follows the rule that fits")
				if fits = reason == ""; fits {
					require.Same(t, want, rule)
				}
			}
			require.Equal(t, found, fits)
		}
	}
}

func TestExplainGivesTheReasonOfEachDescription(t *testing.T) {
	table := newTable(t,
		route.Rule[int]{Name: "beta", Match: []match.Request{
			{Path: match.Prefix("/beta/")},
			{Headers: []match.Field{{Name: "user-group", Value: match.Exact("beta-testers")}}},
		}},
		route.Rule[int]{Name: "elsewhere", Hosts: []string{"other"}},
		route.Rule[int]{Name: "rest"},
	)
	var got []string
	for rule, reason := range table.Explain(toHost("shop")) {
		got = append(got, rule.Name+": "+reason)
	}
	require.Equal(t, []string{`beta: path "/": want prefix "/beta/"; header User-Group absent: want exact "beta-testers"`, "rest: "}, got)
}
