package build_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/config/istio"
)

// worldOf reads a service and a VirtualService for each text, which is a field of
// its only rule; policy is that of all services.
func worldOf(t *testing.T, policy string, rules ...string) *plan.World {
	t.Helper()
	var b strings.Builder
	for i, rule := range rules {
		fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s%[1]d}
spec:
  hosts: [s%[1]d.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.%[1]d}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s%[1]d}
spec: {host: s%[1]d.example.com, trafficPolicy: {%[3]s}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%[1]d}
spec:
  hosts: [s%[1]d.example.com]
  http: [{route: [{destination: {host: s%[1]d.example.com}}], %[2]s}]
`, i+1, rule, policy)
	}
	c, err := istio.Parse("test.yaml", strings.NewReader(b.String()))
	require.NoError(t, err)
	return &plan.World{
		VirtualServices: objects[*networking.VirtualService](c.VirtualServices()), DestinationRules: objects[*networking.DestinationRule](c.DestinationRules()),
		ServiceEntries: objects[*networking.ServiceEntry](c.ServiceEntries()), Mesh: c.MeshConfig().Spec,
	}
}

func objects[T any](from []istio.Object[T]) []plan.Object[T] {
	var all []plan.Object[T]
	for _, o := range from {
		all = append(all, plan.Object[T]{Namespace: o.Namespace, Name: o.Name, Spec: o.Spec, Source: o.Name})
	}
	return all
}

type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

func TestAnUpdateMakesOnlyTheRulesThatChanged(t *testing.T) {
	const policy = "outlierDetection: {consecutive5xxErrors: 3}"
	m, err := build.New(worldOf(t, policy, "timeout: 1s", "timeout: 2s", "timeout: 3s"), build.Options{Transport: nobody{}})
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, 3, m.Prepared())
	for _, tt := range []struct {
		name  string
		world *plan.World
		want  int
	}{
		{"nothing changed", worldOf(t, policy, "timeout: 1s", "timeout: 2s", "timeout: 3s"), 0},
		{"one rule changed", worldOf(t, policy, "timeout: 1s", "timeout: 5s", "timeout: 3s"), 1},
		{"one rule is new", worldOf(t, policy, "timeout: 1s", "timeout: 5s", "timeout: 3s", "timeout: 4s"), 1},
		{"one rule is gone", worldOf(t, policy, "timeout: 1s", "timeout: 5s", "timeout: 3s"), 0},
		{"another policy makes other destinations", worldOf(t, "loadBalancer: {simple: RANDOM}", "timeout: 1s", "timeout: 5s", "timeout: 3s"), 3},
	} {
		require.NoError(t, m.Update(tt.world), tt.name)
		require.Equal(t, tt.want, m.Prepared(), tt.name)
	}
}
