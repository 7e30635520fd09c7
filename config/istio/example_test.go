package istio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

// Each user of the orders service may make two requests at once, and one more each
// minute.
func ExampleRateLimit() {
	const document = `
apiVersion: mesh.sidecarless.dev/v1alpha1
kind: RateLimit
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  rules:
  - name: per-user
    key: {header: X-User}
    tokenBucket: {maxTokens: 2, fillInterval: 1m}
    exempt: [{path: /healthz}]
`
	config, err := istio.Parse("mesh.yaml", strings.NewReader(document))
	if err != nil {
		panic(err)
	}
	server, err := istio.NewServer(config, istio.ServerConfig{
		Workload: istio.Workload{Namespace: "shop", Labels: map[string]string{"app": "orders"}},
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	orders := server.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	for _, request := range []struct{ path, user string }{{"/", "anna"}, {"/", "anna"}, {"/", "anna"}, {"/healthz", "anna"}, {"/", "ben"}} {
		r := httptest.NewRequest("GET", request.path, nil)
		r.Header.Set("X-User", request.user)
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(request.user, request.path, w.Code, w.Body)
	}
	for name, counted := range server.Limits() {
		fmt.Printf("%s: %d allowed, %d limited, %d exempt\n", name, counted.Allowed, counted.Limited, counted.Exempted)
	}
	// Output:
	// anna / 200 hello
	// anna / 200 hello
	// anna / 429 local_rate_limited
	// anna /healthz 200 hello
	// ben / 200 hello
	// RateLimit shop/orders per-user: 3 allowed, 1 limited, 1 exempt
}
