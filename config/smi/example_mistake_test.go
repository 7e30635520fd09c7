package smi_test

import (
	"fmt"
	"strings"

	"github.com/sidecarless/mesh/config/smi"
)

// Weights are quantities, not per cent.
func ExampleParse_mistake() {
	const document = `
apiVersion: split.smi-spec.io/v1alpha1
kind: TrafficSplit
metadata: {name: web, namespace: shop}
spec:
  service: web
  backends:
  - {service: web-v1, weight: 90%}
  - {service: web-v2, weight: 100m}
`
	_, err := smi.Parse("canary.yaml", strings.NewReader(document))
	fmt.Println(err)
	// Output: canary.yaml:8: TrafficSplit shop/web: spec.backends[0].weight: has a unit that does not exist; there are n, u, m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei (got "90%")
}
