package route_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// walk is what a table means, said slowly: the hosts one by one from the most
// specific, then the rules one by one.
func walk(t testing.TB, rules []route.Rule[int], r *http.Request) int {
	host := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	best, rank := "", 0
	for _, rule := range rules {
		for _, p := range hostsOf(rule) {
			if n := hostRank(p, host); n > rank {
				best, rank = p, n
			}
		}
	}
	if rank == 0 {
		return -1
	}
	for i, rule := range rules {
		for _, p := range hostsOf(rule) {
			if p != best {
				continue
			}
			m, err := match.New(rule.Match...)
			require.NoError(t, err)
			if m.Match(r) {
				return i
			}
		}
	}
	return -1
}

func hostsOf(rule route.Rule[int]) []string {
	if len(rule.Hosts) == 0 {
		return []string{"*"}
	}
	var all []string
	for _, h := range rule.Hosts {
		all = append(all, strings.ToLower(h))
	}
	return all
}

// hostRank says how specific pattern p is for host; 0 if it does not fit.
func hostRank(p, host string) int {
	switch {
	case p == "*":
		return 1
	case p == host:
		return 1_000_000
	case p[0] == '*' && strings.HasSuffix(host, p[1:]) && len(host) > len(p)-1:
		return 1_000 + len(p)
	case p[len(p)-1] == '*' && strings.HasPrefix(host, p[:len(p)-1]) && len(host) > len(p)-1:
		return 10 + len(p)
	}
	return 0
}

// A generator makes rules and requests of few words, so that they meet often.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) path() string {
	var b strings.Builder
	for range 1 + g.IntN(3) {
		b.WriteString("/")
		b.WriteString(g.one("a", "b", "A", "ab", "abc", "svc1", ""))
	}
	return b.String()
}

func (g generator) pathValue() match.Value {
	p := g.path()
	var v match.Value
	switch g.IntN(9) {
	case 0, 1:
		v = match.Exact(p)
	case 2, 3:
		v = match.Prefix(p)
	case 4:
		v = match.Segments(p)
	case 5:
		return match.Regex(p + g.one("", ".*", "/[ab]+", ".*c", "|/b"))
	case 6:
		return match.Template(strings.TrimRight(p, "/") + g.one("/{*}", "/{*}/b", "/{**}", "/a", "/{*}/{**}"))
	case 7:
		v = match.Suffix(g.one("b", "/a", "c"))
	default:
		return match.Value{}
	}
	if g.IntN(6) == 0 {
		v = v.Fold()
	}
	if g.IntN(10) == 0 {
		v = v.Not()
	}
	return v
}

func (g generator) value() match.Value {
	s := g.one("", "x", "y", "xy", "X", "xyz")
	var v match.Value
	switch g.IntN(7) {
	case 0, 1, 2:
		v = match.Exact(s)
	case 3:
		v = match.Prefix(s)
	case 4:
		return match.Regex(g.one("x.*", "x|y", "xy", ".*y"))
	case 5:
		v = match.Present()
	}
	if g.IntN(8) == 0 {
		v = v.Fold()
	}
	if g.IntN(8) == 0 {
		v = v.Not()
	}
	return v
}

func (g generator) fields(names ...string) []match.Field {
	var all []match.Field
	for range g.IntN(3) {
		f := match.Field{Name: g.one(names...), Value: g.value()}
		switch f.Name {
		case ":method":
			f.Value = match.Exact(g.one("GET", "POST"))
		case "Host":
			f.Value = match.Exact(g.one("a.d", "b.d"))
		}
		all = append(all, f)
	}
	return all
}

func (g generator) request() match.Request {
	var q match.Request
	if g.IntN(3) > 0 {
		q.Path = g.pathValue()
	}
	if g.IntN(2) == 0 {
		q.Headers = g.fields("X-One", "x-two", "X-Three", ":method", "Host")
	}
	if g.IntN(6) == 0 {
		q.Without = g.fields("X-One", "X-Two")
	}
	if g.IntN(6) == 0 {
		q.Query = g.fields("q")
	}
	if g.IntN(4) == 0 {
		q.Method = match.Exact(g.one("GET", "POST"))
	}
	return q
}

func (g generator) rules(most int, hosts bool) []route.Rule[int] {
	rules := make([]route.Rule[int], 1+g.IntN(most))
	for i := range rules {
		rules[i] = route.Rule[int]{Name: fmt.Sprint(i), Value: i}
		for range g.IntN(3) {
			rules[i].Match = append(rules[i].Match, g.request())
		}
		if hosts {
			for range g.IntN(3) {
				rules[i].Hosts = append(rules[i].Hosts, g.one("a.d", "*.d", "*.sub.d", "a.sub.d", "pre.*", "A.d", "*", "*-x.d"))
			}
		}
	}
	return rules
}

func (g generator) http() *http.Request {
	target := g.path() + g.one("", "?q", "?q=x", "?q=y&q=x")
	method := g.one("GET", "POST", "PUT")
	var r *http.Request
	if g.IntN(2) == 0 {
		r = httptest.NewRequest(method, strings.Replace(target, "//", "/", -1), nil)
	} else {
		r, _ = http.NewRequest(method, "http://host"+target, nil)
	}
	r.Host = g.one("a.d", "a.d:80", "A.D", "b.d", "b.sub.d", "sub.d", "d", ".d", "pre.x", "pre.", "other", "b-x.d")
	for _, name := range []string{"X-One", "X-Two", "X-Three"} {
		for range g.IntN(3) {
			r.Header.Add(name, g.one("", "x", "y", "xy", "X", "xyz", " x"))
		}
	}
	return r
}

func TestATableIsAWalkThroughItsRules(t *testing.T) {
	for seed := range uint64(600) {
		g := generator{rand.New(rand.NewPCG(1, seed))}
		compare(t, g, g.rules([]int{3, 12, 60}[seed%3], seed%2 == 0), 40)
	}
}

func TestALargeTableIsAWalkThroughItsRules(t *testing.T) {
	for seed := range uint64(8) {
		g := generator{rand.New(rand.NewPCG(2, seed))}
		compare(t, g, g.rules(1500, false), 40)
	}
}

func FuzzTableIsAWalk(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		g := generator{rand.New(rand.NewPCG(a, b))}
		compare(t, g, g.rules(40, a%2 == 0), 20)
	})
}

func compare(t *testing.T, g generator, rules []route.Rule[int], requests int) {
	t.Helper()
	table, err := route.New(rules...)
	require.NoError(t, err)
	for range requests {
		r := g.http()
		want, got := walk(t, rules, r), -1
		if rule, ok := table.Lookup(r); ok {
			got = rule.Value
		}
		if got != want {
			for i, rule := range rules {
				t.Logf("%d %v %v", i, rule.Hosts, rule.Match)
			}
			t.Fatalf("rule %d for %s %s host %s %v, want %d", got, r.Method, r.URL, r.Host, r.Header, want)
		}
	}
}
