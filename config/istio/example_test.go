package istio_test

import (
	"fmt"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
)

func ExampleParse() {
	const document = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: v1}
      weight: 90
    - destination: {host: reviews, subset: v2}
      weight: "10"
    timeout: 10
    retries: {attempts: 3, retryOn: gateway-eror}
`
	_, err := istio.Parse("mesh.yaml", strings.NewReader(document))
	for p := range mesh.Problems(err) {
		fmt.Println(p)
	}
	// Output:
	// mesh.yaml:12: VirtualService shop/reviews: spec.http[0].route[1].weight: must be a number without quotes (got "10")
	// mesh.yaml:13: VirtualService shop/reviews: spec.http[0].timeout: a duration needs a unit: 10s, or 10ms (got 10)
	// mesh.yaml:14: VirtualService shop/reviews: spec.http[0].retries.retryOn: gateway-eror is no condition for a retry; did you mean gateway-error? (got "gateway-eror")
}

func ExampleConfig_Warnings() {
	const document = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend}
spec:
  host: backend
  trafficPolicy:
    outlierDetection: {consecutiveErrors: 3}
`
	config, err := istio.Parse("mesh.yaml", strings.NewReader(document))
	if err != nil {
		panic(err)
	}
	for w := range config.Warnings() {
		fmt.Println(w)
	}
	// Output:
	// mesh.yaml:8: DestinationRule default/backend: spec.trafficPolicy.outlierDetection.consecutiveErrors: is withdrawn and does nothing: consecutive5xxErrors is in force, with its default of 5; write consecutive5xxErrors or consecutiveGatewayErrors (got 3)
}
