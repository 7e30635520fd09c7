package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

const sidecars = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: istio-system}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: open}
spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: open}
spec: {workloadSelector: {labels: {app: web}}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: silent}
spec: {egress: [{hosts: ["*/*"]}]}
`

func TestTheSidecarOfAClientSaysWhetherUnknownHostsAreRefused(t *testing.T) {
	web := map[string]string{"app": "web", "version": "v1"}
	for _, c := range []struct {
		name   string
		client plan.Client
		want   bool
	}{
		{"the root namespace's, without one of one's own", plan.Client{Namespace: "shop"}, true},
		{"that of the namespace", plan.Client{Namespace: "open", Labels: map[string]string{"app": "batch"}}, false},
		{"one that selects the workload", plan.Client{Namespace: "open", Labels: web}, true},
		{"one that says nothing leaves it to the mesh", plan.Client{Namespace: "silent"}, false},
		{"a gateway has none", plan.Client{Namespace: "shop", Gateways: []string{"shop/edge"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := plan.New(worldOf(t, sidecars), c.client)
			require.NoError(t, err)
			require.Equal(t, c.want, p.Refuse)
		})
	}
}
