package gatewayapi_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sidecarless/mesh/config/gatewayapi"
)

const canary = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /shop}}]
    filters:
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}
    timeouts: {request: 1s}
    retry: {codes: [503], attempts: 2}
    backendRefs: [{name: web, port: 80}]
`

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Host, r.URL.Path)
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")

	config, err := gatewayapi.Parse("mesh.yaml", strings.NewReader(strings.Replace(canary, "PORT", port, 1)))
	if err != nil {
		log.Fatal(err)
	}
	mesh, err := gatewayapi.NewClient(config, gatewayapi.ClientConfig{Namespace: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}
	for _, url := range []string{"http://web/shop/cart", "http://web/admin"} {
		res, err := client.Get(url)
		if err != nil {
			log.Fatal(err)
		}
		var answer [32]byte
		n, _ := res.Body.Read(answer[:])
		res.Body.Close()
		fmt.Println(res.Status, string(answer[:n]))
	}
	// Output:
	// 200 OK web/v2/cart
	// 404 Not Found
}

func ExampleParse_mistake() {
	_, err := gatewayapi.Parse("mesh.yaml", strings.NewReader(strings.NewReplacer("/shop}", "shop}", "PORT", "8080").Replace(canary)))
	fmt.Println(err)
	// Output: mesh.yaml:19: HTTPRoute shop/web: spec.rules[0].matches[0].path.value: must begin with a slash (got "shop")
}
