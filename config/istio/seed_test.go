package istio_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

// Equal resources and an equal seed make equal choices, in whatever order maps are
// gone through.
func TestEqualSeedsPickAlike(t *testing.T) {
	var documents strings.Builder
	for i := range 8 {
		fmt.Fprintf(&documents, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s%d}
spec:
  hosts: [s%[1]d.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.%[1]d.1}, {address: 10.0.%[1]d.2}, {address: 10.0.%[1]d.3}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%[1]d}
spec:
  hosts: [s%[1]d.example]
  http:
  - route:
    - {destination: {host: s%[1]d.example}, weight: 30}
    - {destination: {host: s0.example}, weight: 70}
---
`, i)
	}
	picks := func() string {
		config, err := istio.Parse("mesh.yaml", strings.NewReader(documents.String()))
		require.NoError(t, err)
		var picked strings.Builder
		client, err := istio.NewClient(config, istio.ClientConfig{
			Rand: rand.New(rand.NewPCG(1, 2)).Uint64, // requests are sent one after the other
			Transport: sending(func(r *http.Request) (*http.Response, error) {
				fmt.Fprintln(&picked, r.URL.Host)
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
			}),
		})
		require.NoError(t, err)
		defer client.Close()
		for i := range 40 {
			res, err := (&http.Client{Transport: client}).Get(fmt.Sprintf("http://s%d.example/", i%8))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
		}
		return picked.String()
	}
	want := picks()
	for range 20 {
		require.Equal(t, want, picks())
	}
}
