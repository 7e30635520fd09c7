package istio_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

func TestATransportTakesThePlaceOfConnections(t *testing.T) {
	config := parse(t, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.example
  trafficPolicy:
    connectionPool:
      tcp: {maxConnections: 1, connectTimeout: 1s}
      http: {maxRequestsPerConnection: 1}
    tls: {mode: SIMPLE}
`)
	client, err := istio.NewClient(config, istio.ClientConfig{
		Transport: sending(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "10.0.0.1:80", r.URL.Host)
			require.Equal(t, "reviews.example", r.Host)
			return &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{}, Body: http.NoBody}, nil
		}),
	})
	require.NoError(t, err)
	defer client.Close()
	res, err := (&http.Client{Transport: client}).Get("http://reviews.example/")
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, res.StatusCode)
	require.NoError(t, res.Body.Close())
}
