package route_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

func newTable[T any](t testing.TB, rules ...route.Rule[T]) *route.Table[T] {
	t.Helper()
	table, err := route.New(rules...)
	require.NoError(t, err)
	return table
}

func toHost(host string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = host
	return r
}

// Without ports a domain with a port can never be chosen, so the vectors'
// port.d:8080 has no rule here.
func TestHostsAreChosenAsByEnvoy(t *testing.T) {
	var rules []route.Rule[string]
	for _, h := range []string{"exact.d", "*.d", "*.sub.d", "pre.*", "pre.long.*", "Upper.D", "*"} {
		rules = append(rules, route.Rule[string]{Hosts: []string{h}, Value: h})
	}
	table := newTable(t, rules...)
	data, err := os.ReadFile("../conformance/testdata/envoy/virtual_host.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Host string
			Want string `json:"strip_any_host_port"`
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		rule, ok := table.Lookup(toHost(c.Host))
		require.True(t, ok, c.Host)
		require.Equal(t, c.Want, rule.Value, c.Host)
	}
}

func TestHosts(t *testing.T) {
	table := newTable(t,
		route.Rule[string]{Hosts: []string{"reviews", "reviews.default.svc.cluster.local"}, Value: "service"},
		route.Rule[string]{Hosts: []string{"*.example.com"}, Value: "wide"},
		route.Rule[string]{Hosts: []string{"*.shop.example.com"}, Value: "narrow"},
		route.Rule[string]{Hosts: []string{"*-canary.shop.example.com"}, Value: "canary"},
		route.Rule[string]{Hosts: []string{"www.*"}, Value: "www"},
		route.Rule[string]{Hosts: []string{"[::1]"}, Value: "loopback"},
	)
	for host, want := range map[string]string{
		"reviews":                           "service",
		"reviews:9080":                      "service",
		"Reviews.Default.svc.Cluster.LOCAL": "service",
		"REVIEWS:80":                        "service",
		"reviews.":                          "",
		"reviews:":                          "",
		"reviews:http":                      "",
		"a.example.com":                     "wide",
		"a.b.EXAMPLE.com:443":               "wide",
		"shop.example.com":                  "wide",
		"example.com":                       "",
		".example.com":                      "",
		"a.shop.example.com":                "narrow",
		"a-canary.shop.example.com":         "canary",
		"-canary.shop.example.com":          "narrow",
		"www.example.com":                   "wide",
		"www.example.org":                   "www",
		"www.":                              "",
		"[::1]":                             "loopback",
		"[::1]:80":                          "loopback",
		"":                                  "",
	} {
		got := ""
		if rule, ok := table.Lookup(toHost(host)); ok {
			got = rule.Value
		}
		require.Equal(t, want, got, host)
	}
}

func TestAClientsHostIsThatOfTheRequestOrElseOfTheURL(t *testing.T) {
	table := newTable(t, route.Rule[string]{Hosts: []string{"reviews"}, Value: "reviews"})
	r, err := http.NewRequest("GET", "http://reviews:9080/", nil)
	require.NoError(t, err)
	r.Host = ""
	_, ok := table.Lookup(r)
	require.True(t, ok)
	r.Host = "ratings"
	_, ok = table.Lookup(r)
	require.False(t, ok)
}

func TestRulesOfALessSpecificHostAreNotReached(t *testing.T) {
	table := newTable(t,
		route.Rule[string]{Hosts: []string{"a.d"}, Match: []match.Request{{Path: match.Exact("/only")}}, Value: "a"},
		route.Rule[string]{Hosts: []string{"*.d"}, Value: "wide"},
		route.Rule[string]{Value: "any"},
	)
	_, ok := table.Lookup(toHost("a.d"))
	require.False(t, ok, "the rules for a.d have this host to themselves")
	rule, ok := table.Lookup(toHost("b.d"))
	require.True(t, ok)
	require.Equal(t, "wide", rule.Value)
	rule, ok = table.Lookup(toHost("other"))
	require.True(t, ok)
	require.Equal(t, "any", rule.Value)
}

func TestTheFirstRuleThatFitsIsTaken(t *testing.T) {
	header := func(v match.Value) []match.Request {
		return []match.Request{{Headers: []match.Field{{Name: "user", Value: v}}}}
	}
	table := newTable(t,
		route.Rule[string]{Match: header(match.Exact("jason")), Value: "exact"},
		route.Rule[string]{Match: header(match.Regex("j.*n")), Value: "regex"},
		route.Rule[string]{Match: header(match.Prefix("j")), Value: "prefix"},
		route.Rule[string]{Match: header(match.Exact("john")), Value: "late"},
		route.Rule[string]{Match: []match.Request{{Path: match.Exact("/x")}, {Path: match.Prefix("/y")}}, Value: "paths"},
		route.Rule[string]{Value: "rest"},
	)
	for user, want := range map[string]string{"jason": "exact", "john": "regex", "jim": "prefix", "peter": "rest", "": "rest"} {
		r := toHost("shop")
		r.Header.Set("User", user)
		rule, ok := table.Lookup(r)
		require.True(t, ok)
		require.Equal(t, want, rule.Value, user)
	}
	rule, _ := table.Lookup(httptest.NewRequest("GET", "/yes", nil))
	require.Equal(t, "paths", rule.Value)
}

func TestAZeroTableHasNoRules(t *testing.T) {
	var table route.Table[int]
	_, ok := table.Lookup(toHost("a"))
	require.False(t, ok)
	require.Empty(t, slices.Collect(table.Rules()))
	for range table.Shadowed() {
		t.Fatal("nothing is hidden in an empty table")
	}
	for range table.Explain(toHost("a")) {
		t.Fatal("nothing competes in an empty table")
	}
}

func TestAllProblemsAreReportedAndNothingIsChanged(t *testing.T) {
	table := newTable(t, route.Rule[int]{Name: "old", Value: 1})
	err := table.Update(
		route.Rule[int]{Name: "good", Value: 2},
		route.Rule[int]{Hosts: []string{"a.*.d", "", "a:80", "*.*", "http://a"}, Match: []match.Request{{}, {Path: match.Regex("(")}}},
	)
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"route[1].Hosts[0]", "route[1].Hosts[1]", "route[1].Hosts[2]", "route[1].Hosts[3]", "route[1].Hosts[4]", "route[1].Match[1].Path"}, fields)
	rule, ok := table.Lookup(toHost("any"))
	require.True(t, ok)
	require.Equal(t, "old", rule.Name)

	_, err = route.New(route.Rule[int]{Hosts: []string{""}})
	require.ErrorContains(t, err, `route[0].Hosts[0]: is no host (got "")`)

	for r := range table.Rules() {
		require.Equal(t, "old", r.Name)
	}
	require.NoError(t, table.Update())
	_, ok = table.Lookup(toHost("any"))
	require.False(t, ok)
}

func TestATableIsReplacedWholeUnderTraffic(t *testing.T) {
	sets := [][]route.Rule[int]{generator{rand.New(rand.NewPCG(5, 6))}.rules(60, true), {{Name: "other", Value: -7}}}
	table := newTable(t, sets[0]...)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			g := generator{rand.New(rand.NewPCG(7, 8))}
			for range 500 {
				r := g.http()
				rule, ok := table.Lookup(r)
				if ok && rule.Value != -7 {
					require.Equal(t, walk(t, sets[0], r), rule.Value)
				}
			}
		})
	}
	for i := range 50 {
		require.NoError(t, table.Update(sets[i%2]...))
	}
	wg.Wait()
}

func TestLookupAllocatesNothing(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(9, 10))}
	table := newTable(t, append(g.rules(300, true), route.Rule[int]{Hosts: []string{"*.very-long-name.production.eu-central-1.example.com"}})...)
	requests := []*http.Request{toHost("UPPER.Very-Long-Name.production.eu-central-1.example.com:443")}
	for range 50 {
		requests = append(requests, g.http())
	}
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for _, r := range requests {
			table.Lookup(r)
		}
	}))
}

func TestManyHeadersAreFoundByThoseOfTheRequest(t *testing.T) {
	var rules []route.Rule[int]
	for i, name := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
		rules = append(rules, route.Rule[int]{Value: i, Match: []match.Request{{Headers: []match.Field{{Name: "x-" + name, Value: match.Exact("1")}}}}})
	}
	table := newTable(t, rules...)
	r := toHost("shop")
	r.Header = http.Header{"X-G": {"1"}, "X-C": {"0", "1"}}
	rule, ok := table.Lookup(r)
	require.True(t, ok)
	require.Equal(t, 2, rule.Value)
}
