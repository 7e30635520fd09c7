package authz_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
)

// rules are n rules for one principal or path each.
var manyRules = map[string]func(i int) authz.Rule{
	"principals": func(i int) authz.Rule {
		return from(authz.Source{Principals: exact(fmt.Sprintf("cluster.local/ns/shop/sa/a%d", i))})
	},
	"paths": func(i int) authz.Rule { return to(authz.Operation{Paths: exact(fmt.Sprintf("/p/%d", i))}) },
	"paths of one principal": func(i int) authz.Rule {
		r := to(authz.Operation{Paths: exact(fmt.Sprintf("/p/%d", i))})
		r.From = []authz.Source{{Principals: exact("cluster.local/ns/shop/sa/a9")}}
		return r
	},
}

func authorizerOf(t testing.TB, n int, rule func(int) authz.Rule) *authz.Authorizer {
	var p authz.Policy
	for i := range n {
		p.Rules = append(p.Rules, rule(i))
	}
	return newAuthorizer(t, authz.Config{Policies: []authz.Policy{p}})
}

func TestDecisionsAllocateNothing(t *testing.T) {
	a := newAuthorizer(t, authz.Config{TrustedHops: 1, Policies: []authz.Policy{
		deny(from(authz.Source{Namespaces: exact("evil")}), whenNet("remote.ip", nets("203.0.113.0/24"))),
		allow(authz.Rule{
			From: []authz.Source{{Principals: exact(frontend), Peers: nets("10.0.0.0/8")}},
			To:   []authz.Operation{{Methods: exact("GET"), Paths: exact("/x"), Hosts: exact("example.com"), Ports: authz.Ports{In: []uint16{8080}}}},
			When: []authz.Condition{{Key: "request.headers[x-a]", Values: exact("1")}},
		}),
	}})
	r := request("GET /x?y", by(frontend), withHeader("X-A", "0", "1"), withHeader("X-Forwarded-For", "192.0.2.1"))
	require.True(t, a.Decide(r).Allowed)
	require.Zero(t, testing.AllocsPerRun(100, func() { a.Decide(r) }))
}

// Looked up, not gone through: of a thousand rules one is asked.
func TestManyExactRulesCostWhatFewDo(t *testing.T) {
	r := request("GET /p/9", by("cluster.local/ns/shop/sa/a9"))
	took := func(a *authz.Authorizer) time.Duration {
		start := time.Now()
		for range 2000 {
			a.Decide(r)
		}
		return time.Since(start)
	}
	for name, rule := range manyRules {
		few, many := authorizerOf(t, 10, rule), authorizerOf(t, 1000, rule)
		require.True(t, few.Decide(r).Allowed)
		require.True(t, many.Decide(r).Allowed)
		// The least of several runs: what else runs on the machine only adds. Where it
		// runs all the time more are needed to find a quiet one of each.
		const bound = 1.3
		leastFew, leastMany := time.Hour, time.Hour
		for n := 0; n < 30 || n < 1000 && float64(leastMany) > bound*float64(leastFew); n++ {
			leastFew, leastMany = min(leastFew, took(few)), min(leastMany, took(many))
		}
		require.LessOrEqual(t, float64(leastMany)/float64(leastFew), bound, name)
	}
}

func BenchmarkDecide(b *testing.B) {
	r := request("GET /p/9", by("cluster.local/ns/shop/sa/a9"))
	for name, rule := range manyRules {
		for _, n := range []int{10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				a := authorizerOf(b, n, rule)
				b.ReportAllocs()
				for b.Loop() {
					a.Decide(r)
				}
			})
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	a := newAuthorizer(b, authz.Config{Policies: []authz.Policy{allow(from(authz.Source{Principals: exact(frontend)}))}})
	h := a.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := request("GET /x", by(frontend))
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nil, r)
	}
}
