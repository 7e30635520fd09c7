package istio_test

import (
	"math"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// reviews is a client of one service, whose rule goes on with the lines given.
func reviews(t *testing.T, c istio.ClientConfig, lines string) *istio.Client {
	t.Helper()
	config := parse(t, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  http:
  - route: [{destination: {host: reviews.example}}]
`+lines)
	client, err := istio.NewClient(config, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// The first draw of a request meets the fault, and no later one does.
func TestFaultsCanBeDrawnForEachAttempt(t *testing.T) {
	for name, tc := range map[string]struct {
		inside           bool
		status, requests int
	}{
		"once a request, as a sidecar does": {false, 503, 0},
		"for each attempt":                  {true, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := meshtest.NewUpstream(meshtest.Reply{Status: 200})
			draw := uint64(math.MaxUint64)
			rand := func() uint64 { defer func() { draw = math.MaxUint64 }(); return draw }
			client := reviews(t, istio.ClientConfig{Transport: server, FaultsInside: tc.inside, Rand: rand}, `
    retries: {attempts: 2, retryOn: "5xx", backoff: 1ms}
    fault: {abort: {httpStatus: 503, percentage: {value: 50}}}
`)
			draw = 0 // the next one alone
			res, err := (&http.Client{Transport: client}).Get("http://reviews.example/")
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, tc.status, res.StatusCode)
			require.Len(t, server.Requests(), tc.requests)
		})
	}
}

func TestPreflightsThatDoNotMatchAreForwardedUnlessTheRuleSaysOtherwise(t *testing.T) {
	for setting, forwarded := range map[string]int{"": 1, ", unmatchedPreflights: FORWARD": 1, ", unmatchedPreflights: IGNORE": 0} {
		server := meshtest.NewUpstream(meshtest.Reply{Status: 200})
		client := reviews(t, istio.ClientConfig{Transport: server}, "    corsPolicy: {allowOrigins: [{exact: \"https://page.example\"}]"+setting+"}\n")
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://reviews.example/", nil)
		require.NoError(t, err)
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "PUT")
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Empty(t, res.Header.Values("Access-Control-Allow-Origin"))
		require.Len(t, server.Requests(), forwarded, setting)
	}
}

// told is a layer that notes the hosts that requests are for.
type told struct {
	hosts *[]string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t told) RoundTrip(r *http.Request) (*http.Response, error) {
	*t.hosts = append(*t.hosts, r.Host)
	return t.next.RoundTrip(r)
}

func TestAClientShowsItsUpstreams(t *testing.T) {
	config := parse(t, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.shop.svc.cluster.local]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.example.com]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.2}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews.shop.svc.cluster.local
  trafficPolicy: {connectionPool: {http: {maxRetries: 7}}}
`)
	var inside []string
	client, err := istio.NewClient(config, istio.ClientConfig{
		Transport: meshtest.NewUpstream(meshtest.Reply{Status: 200}),
		MeshAttempt: func(next http.RoundTripper) http.RoundTripper {
			return told{&inside, next}
		},
	})
	require.NoError(t, err)
	defer client.Close()
	names := map[string]upstream.Service{}
	for u := range client.Upstreams() {
		names[u.Name()] = u.Service()
		if u.Service().Host == "reviews.shop.svc.cluster.local" {
			require.Equal(t, 7, u.RetryBudget().Allowed())
		}
	}
	require.Equal(t, map[string]upstream.Service{
		"outbound|80||api.example.com":                {Host: "api.example.com", Namespace: "shop"},
		"outbound|80||reviews.shop.svc.cluster.local": {Host: "reviews.shop.svc.cluster.local", Namespace: "shop"},
	}, names)
	for _, host := range []string{"reviews.shop.svc.cluster.local", "api.example.com"} {
		res, err := (&http.Client{Transport: client}).Get("http://" + host)
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode)
	}
	require.Equal(t, []string{"reviews.shop.svc.cluster.local"}, inside, "what is outside of the mesh is not told")
}

func TestWhatNoRuleCanDoIsToldWithItsField(t *testing.T) {
	_, err := istio.NewClient(parse(t, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  http:
  - rewrite: {uri: "/b#f"}
    route: [{destination: {host: reviews.example}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}]
`), istio.ClientConfig{})
	require.ErrorContains(t, err, `spec.http.Path: must not hold #: a request has no fragment (got "/b#f")`)
	require.NotContains(t, err.Error(), "spec.http.spec")
}
