package analyze_test

import (
	"fmt"
	"testing/fstest"

	"github.com/sidecarless/mesh/config/analyze"
)

// Only what is among the files is known. Where services are not, every host of a
// rule is one that nobody has.
func ExampleFS_mistake() {
	files := fstest.MapFS{"rules.yaml": {Data: []byte(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}}]
`)}}
	for _, f := range analyze.FS(files, "*.yaml") {
		fmt.Println(f.Code, f.Line, f.Level)
	}
	// Output: IST0101 8 error
}
