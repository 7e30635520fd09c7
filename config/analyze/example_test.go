package analyze_test

import (
	"fmt"
	"testing/fstest"

	"github.com/sidecarless/mesh/config/analyze"
)

func ExampleFS() {
	files := fstest.MapFS{"mesh.yaml": {Data: []byte(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.shop.svc.cluster.local]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints:
  - {address: 10.0.0.1, labels: {version: v1}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /api}}]
    rewrite: {uri: /}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {exact: /api/health}}]
    route: [{destination: {host: reviews, subset: v2}}]
`)}}
	for _, f := range analyze.FS(files, "*.yaml") {
		fmt.Printf("%s:%d %s %s: %s\n", f.File, f.Line, f.Level, f.Code, f.Message)
		fmt.Printf("    %s\n", f.Advice)
	}
	// Output:
	// mesh.yaml:18 warning MESH0106: the rewrite turns /api/x into //x: the prefix /api is replaced, not the segment
	//     match the prefix /api/, and /api itself by another match
	// mesh.yaml:21 warning MESH0101: rule #1 is never reached: rule #0 before it takes every request that it would
	//     put the narrower rule first
	// mesh.yaml:22 error IST0101: Referenced host+subset in destinationrule not found: "reviews+v2"; requests to it get 503
	//     define the subset in a DestinationRule for this host
}
