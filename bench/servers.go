package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// hello is the handler at the end of every server stack.
var hello http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
})

// guardedByMethod lets GET through.
func guardedByMethod() *authz.Authorizer {
	return made(authz.New(authz.Config{Policies: []authz.Policy{{
		Name: "readers", Rules: []authz.Rule{{To: []authz.Operation{{Methods: authz.Set{In: []match.Value{match.Exact(http.MethodGet)}}}}}},
	}}}))
}

// matched serves the canary apart from the rest.
func matched(next http.Handler) http.Handler {
	return route.Handler(made(route.New(
		route.ServerRule{Name: "canary", Match: []match.Request{canary}, Value: http.NotFoundHandler()},
		route.ServerRule{Name: "default", Value: next},
	)))
}

// servers are the benchmarks of handlers.
func servers() []benchmark {
	var list []benchmark
	for name, build := range map[string]func() http.Handler{
		"bare": func() http.Handler { return hello },
		"ours-match-fault-timeout": func() http.Handler {
			return mesh.Chain(bound().Handler, matched, faults().Handler)(hello)
		},
		"ours-full": func() http.Handler {
			return mesh.Chain(bound().Handler, made(limit.New(limit.Config{Rate: 1e9})).Handler, guardedByMethod().Handler, matched, faults().Handler)(hello)
		},
		"timeouthandler": func() http.Handler { return http.TimeoutHandler(hello, deadline, "") },
		"reverseproxy": func() http.Handler {
			to := made(url.Parse("http://10.0.0.1"))
			return &httputil.ReverseProxy{Transport: stub, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
		},
	} {
		list = append(list, benchmark{name: "Server/" + name, chain: true, setup: func() func() loop {
			h := build()
			return func() loop {
				ctx, cancel := context.WithCancel(context.Background())
				context.AfterFunc(ctx, cancel)
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://reviews.example/api/items/7", nil)
				r.Header = request(ctx).Header
				w := discard{http.Header{}}
				return func(n int) {
					for range n {
						h.ServeHTTP(w, r)
					}
				}
			}
		}})
	}
	return list
}
