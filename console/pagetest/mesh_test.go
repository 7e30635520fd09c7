package pagetest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/upstream"
)

// A world is a small mesh with a console: two versions of reviews, ratings with
// many endpoints, and one rule that only answers.
type world struct {
	t      *testing.T
	page   *console.Console
	server *httptest.Server
	client http.RoundTripper
	sick   atomic.Pointer[string] // the endpoint that fails
	bad    atomic.Bool            // whether the last reload failed
}

const (
	v1      = "outbound|9080|v1|reviews.default.svc.cluster.local"
	v2      = "outbound|9080|v2|reviews.default.svc.cluster.local"
	ratings = "outbound|9080||ratings.default.svc.cluster.local"
)

// RoundTrip answers as an endpoint.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if sick := w.sick.Load(); sick != nil && *sick == r.URL.Host {
		return nil, errors.New("connection reset by peer")
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: r}, nil
}

func (w *world) upstream(name, net string, endpoints int) *upstream.Upstream {
	c := upstream.Config{
		Name: name, Transport: w, Ejection: outlier.Config{Consecutive5xx: 2, BaseEjection: 5 * time.Minute}, Balance: lb.Config{Algorithm: lb.RoundRobin{}},
		Breaker: breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: 1024}},
	}
	for i := range endpoints {
		c.Endpoints = append(c.Endpoints, lb.Endpoint{Addr: fmt.Sprintf("10.0.%s.%d:9080", net, i+1), Locality: lb.Locality{Region: "eu-west", Zone: "a"}})
	}
	u, err := upstream.New(c)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { u.Close() })
	return u
}

// name is what things are called on the way; a test can make it something evil.
func newWorld(t *testing.T, name string) *world {
	w := &world{t: t}
	one, two, three := w.upstream(v1, "1", 4), w.upstream(v2, "2", 2), w.upstream(ratings, "3", 12)
	canary, err := split.New(split.ClientBranch{Name: v1, Weight: 90, Value: one}, split.ClientBranch{Name: v2, Weight: 10, Value: two})
	require.NoError(t, err)
	rules, err := route.New(
		route.ClientRule{Name: name, Hosts: []string{"reviews"}, Match: []match.Request{{Headers: []match.Field{{Name: "end-user", Value: match.Exact("jason")}}}}, Value: two},
		route.ClientRule{Name: "canary", Hosts: []string{"reviews"}, Value: split.Transport(canary)},
		route.ClientRule{Name: "default", Hosts: []string{"ratings"}, Value: three},
	)
	require.NoError(t, err)
	config := &console.Configuration{
		Rules: []console.Rule{
			{Hosts: []string{"reviews"}, Name: name, Match: `header end-user exact "jason"`, Source: "reviews.yaml:12: VirtualService default/reviews", Branches: []console.Branch{{Upstream: v2, Percent: 100}}},
			{Hosts: []string{"reviews"}, Name: "canary", Source: "reviews.yaml:20: VirtualService default/reviews",
				Branches: []console.Branch{{Upstream: v1, Percent: 90}, {Upstream: v2, Percent: 10}, {Upstream: ratings, Percent: 1, Copies: true}}},
			{Hosts: []string{"ratings"}, Name: "default", Source: "services.yaml:3: Service default/ratings", Branches: []console.Branch{{Upstream: ratings, Percent: 100}}},
			{Hosts: []string{"old"}, Name: "moved", Then: "redirect 301 to host new.example", Source: "old.yaml:3: VirtualService default/old"},
		},
		Resources: []console.Resource{{Kind: "VirtualService", Name: "default/reviews", Source: "reviews.yaml:3"}, {Kind: "Service", Name: "default/ratings", Source: "services.yaml:3"}},
		Warnings:  []*mesh.Problem{{Source: "reviews.yaml:4: VirtualService default/reviews", Field: "spec.http[2]", Reason: "is never reached"}},
	}
	w.page, err = console.New(console.Config{
		Title: "productpage-7d4f", Upstreams: []*upstream.Upstream{one, two, three},
		Splits: []console.Split{console.SplitOf("reviews", canary)}, Change: func(*http.Request) bool { return true },
		Sources: []console.Source{{
			Configuration: func() *console.Configuration { return config },
			Reads:         func() *console.Reads { return &console.Reads{Headers: []string{"End-User"}} },
			Explain: func(r *http.Request) any {
				return fmt.Sprintf("GET %s%s, port 9080\n\nnot rule %s (reviews.yaml:12)\n    header end-user absent: want exact \"jason\"\n\nrule canary (reviews.yaml:20)\n", r.URL.Host, r.URL.Path, name)
			},
			Reload: func() console.Reload {
				r := console.Reload{Loads: 3, Loaded: time.Now().Add(-5 * time.Minute)}
				if w.bad.Load() {
					r.Failures, r.Failed = 1, time.Now()
					r.Err = errors.New("reviews.yaml:14: VirtualService default/reviews: spec.http[0].route[1].weight: must not be negative")
				}
				return r
			},
		}},
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/debug/mesh/", w.page)
	w.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		w.page.Close()
		w.server.Close()
	})
	w.client = mesh.Chain(access.Sink(w.page.Sink).Transport, mesh.ErrorsAsResponses)(route.Transport(rules))
	w.send(41)
	return w
}

func (w *world) url() string { return w.server.URL + "/debug/mesh/" }

// send sends requests of all kinds.
func (w *world) send(n int) {
	w.t.Helper()
	for i := range n {
		host := "reviews"
		if i%3 == 0 {
			host = "ratings"
		}
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, fmt.Sprintf("http://%s/%s/%d?user=1", host, host, i), nil)
		require.NoError(w.t, err)
		r.Header.Set("X-Request-Id", fmt.Sprintf("a36c32b0-%04d", i))
		if i%5 == 1 {
			r.Header.Set("End-User", "jason")
		}
		res, err := w.client.RoundTrip(r)
		require.NoError(w.t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(w.t, err)
		require.NoError(w.t, res.Body.Close())
	}
}

// fails makes an endpoint fail until it is ejected.
func (w *world) fails(endpoint string) {
	w.sick.Store(&endpoint)
	w.send(120)
}
