package telemetry

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

func TestAProcessKnowsItselfByItsEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want mesh.Workload
	}{
		"nothing": {nil, mesh.Workload{
			Name: "unknown", Namespace: "default", Cluster: "Kubernetes", CanonicalService: "unknown", CanonicalRevision: "latest",
		}},
		"a pod of a Deployment": {
			map[string]string{"HOSTNAME": "productpage-v1-84975bc778-pxz2w", "POD_NAMESPACE": "shop"},
			mesh.Workload{
				Name: "productpage-v1", Namespace: "shop", Instance: "productpage-v1-84975bc778-pxz2w", Cluster: "Kubernetes",
				CanonicalService: "productpage-v1", CanonicalRevision: "latest",
			},
		},
		"a host": {map[string]string{"HOSTNAME": "build-7"}, mesh.Workload{
			Name: "build-7", Namespace: "default", Instance: "build-7", Cluster: "Kubernetes", CanonicalService: "build-7", CanonicalRevision: "latest",
		}},
		"OpenTelemetry's attributes": {
			map[string]string{
				"OTEL_RESOURCE_ATTRIBUTES": "k8s.deployment.name=reviews-v2, k8s.namespace.name=shop,service.version=v2,k8s.cluster.name=east",
				"OTEL_SERVICE_NAME":        "reviews", "HOSTNAME": "reviews-v2-84975bc778-pxz2w",
			},
			mesh.Workload{
				Name: "reviews-v2", Namespace: "shop", Instance: "reviews-v2-84975bc778-pxz2w", App: "reviews", Version: "v2", Cluster: "east",
				CanonicalService: "reviews", CanonicalRevision: "v2",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, WithDefaults(fromEnvironment(func(key string) string { return tt.env[key] })))
		})
	}
}

func TestLabelsOfAPodTellWhoItIs(t *testing.T) {
	require.Equal(t, mesh.Workload{App: "reviews", Version: "v1", CanonicalService: "reviews", CanonicalRevision: "v1"},
		FromLabels(map[string]string{"app": "reviews", "version": "v1"}))
	require.Equal(t, mesh.Workload{Name: "reviews-v1", App: "b", Version: "2", CanonicalService: "c", CanonicalRevision: "3", Cluster: "east"},
		FromLabels(map[string]string{
			"service.istio.io/workload-name": "reviews-v1", "app": "a", "app.kubernetes.io/name": "b", "service.istio.io/canonical-name": "c",
			"version": "1", "app.kubernetes.io/version": "2", "service.istio.io/canonical-revision": "3", "topology.istio.io/cluster": "east",
		}))
}
