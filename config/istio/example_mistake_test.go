package istio_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/meshtest"
)

// A short name is one of the caller's namespace, as in the cluster. A client that
// does not say where it runs asks in the namespace default.
func ExampleNewClient_mistake() {
	const document = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.shop.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
`
	config, err := istio.Parse("mesh.yaml", strings.NewReader(document))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, namespace := range []string{"", "shop"} {
		mesher, err := istio.NewClient(config, istio.ClientConfig{
			Workload: istio.Workload{Namespace: namespace}, Transport: meshtest.NewUpstream(),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		res, err := (&http.Client{Transport: mesher}).Get("http://reviews/")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Printf("%q: %s %s\n", namespace, res.Status, mesh.FlagOf(mesh.ErrorOf(res)))
		mesher.Close()
	}
	// Output:
	// "": 503 Service Unavailable UH
	// "shop": 200 OK
}
