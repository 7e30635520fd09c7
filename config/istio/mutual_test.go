package istio_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
)

// The client's side of ISTIO_MUTUAL: to the accounts of the endpoints alone, or to
// those that the rule names.
func TestMutualTLSOfTheMesh(t *testing.T) {
	ca := certtest.NewCA()
	server, err := istio.NewServer(parse(t, strict+frontendOnly), istio.ServerConfig{Workload: shop, Identity: identity(t, ca, "reviews")})
	require.NoError(t, err)
	host, port, _ := net.SplitHostPort(start(t, server))
	documents := func(account, names string) string {
		return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.shop.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: ` + port + `}]
  endpoints: [{address: ` + host + account + `}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL` + names + `}}
`
	}
	named := func(account string) string {
		return ", subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/" + account + "']"
	}
	for _, c := range []struct {
		name, documents string
		status          int
	}{
		{"the account of the endpoints", documents(", serviceAccount: reviews", ""), 200},
		{"another account", documents(", serviceAccount: ratings", ""), 503},
		{"the name in the rule", documents(", serviceAccount: ratings", named("reviews")), 200},
		{"another name in the rule", documents(", serviceAccount: reviews", named("ratings")), 503},
		{"any workload of the mesh", documents("", ""), 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := istio.NewClient(parse(t, c.documents), istio.ClientConfig{Workload: shop, Identity: identity(t, ca, "frontend")})
			require.NoError(t, err)
			defer client.Close()
			res, err := (&http.Client{Transport: client}).Get("http://reviews.shop/")
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, res.StatusCode, string(body))
			if c.status == 200 {
				require.Equal(t, "/ by frontend", string(body))
			}
		})
	}
	_, err = istio.NewClient(parse(t, documents("", "")), istio.ClientConfig{Workload: shop})
	require.ErrorContains(t, err, "needs an identity, and the client has none")
	_, err = istio.NewClient(parse(t, documents("", ", subjectAltNames: [reviews.shop]")), istio.ClientConfig{Workload: shop, Identity: identity(t, ca, "frontend")})
	require.ErrorContains(t, err, "is no name of a workload")
}
