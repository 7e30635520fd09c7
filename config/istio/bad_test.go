package istio

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// A badDocument is refused with exactly these problems, as one would read them.
type badDocument struct {
	name string
	doc  string
	want []string
}

// rule is a VirtualService whose only rule goes on with the lines given, the
// first of which is line 9.
func rule(lines string) string {
	return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews}
` + lines
}

// policy is a DestinationRule whose traffic policy is the lines given, the
// first of which is line 7.
func policy(lines string) string {
	return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  trafficPolicy:
` + lines
}

func checkBad(t *testing.T, cases []badDocument) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("mesh.yaml", strings.NewReader(tc.doc))
			var got []string
			for p := range mesh.Problems(err) {
				got = append(got, p.Error())
			}
			require.Equal(t, tc.want, got, "the document:\n%s", numbered(tc.doc))
		})
	}
}

func numbered(doc string) string {
	var b strings.Builder
	for i, line := range strings.Split(doc, "\n") {
		fmt.Fprintf(&b, "%3d %s\n", i+1, line)
	}
	return b.String()
}
