package istio_test

import (
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/meshtest"
)

// reviews is a client of one service, whose rule goes on with the lines given.
func reviews(t *testing.T, c istio.ClientConfig, lines string) *istio.Client {
	t.Helper()
	config, err := istio.Parse("mesh.yaml", strings.NewReader(`
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
`+lines))
	require.NoError(t, err)
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
