package istio_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/lb"
)

// With retryRemoteLocalities Istio has Envoy leave out, after every two attempts,
// the priorities that were tried (previous_priorities with an update frequency of
// two); without it a request stays in the locality of its caller.
func TestRetriesGoToRemoteLocalitiesWhereToldTo(t *testing.T) {
	for name, tt := range map[string]struct {
		remote string
		want   string // the first numbers of the addresses that were tried
	}{
		"not told": {"", "1111"},
		"no":       {", retryRemoteLocalities: false", "1111"},
		"yes":      {", retryRemoteLocalities: true", "1122"},
	} {
		t.Run(name, func(t *testing.T) {
			config := parse(t, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 1.0.0.1, locality: near/a/x}
  - {address: 1.0.0.2, locality: near/a/x}
  - {address: 2.0.0.1, locality: far/b/y}
  - {address: 2.0.0.2, locality: far/b/y}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.example
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 100}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  http:
  - route: [{destination: {host: reviews.example}}]
    retries: {attempts: 3, retryOn: 5xx`+tt.remote+`}
`)
			var tried strings.Builder
			client, err := istio.NewClient(config, istio.ClientConfig{
				Workload: istio.Workload{Locality: lb.Locality{Region: "near", Zone: "a", SubZone: "x"}},
				Transport: sending(func(r *http.Request) (*http.Response, error) {
					tried.WriteByte(r.URL.Host[0])
					return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody}, nil
				}),
			})
			require.NoError(t, err)
			defer client.Close()
			res, err := (&http.Client{Transport: client}).Get("http://reviews.example/")
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			require.NoError(t, res.Body.Close())
			require.Equal(t, tt.want, tried.String())
		})
	}
}
