package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

func kubeService(name string, k plan.KubeService) plan.Object[*plan.KubeService] {
	return plan.Object[*plan.KubeService]{Namespace: "default", Name: name, Spec: &k}
}

var webPorts = []plan.KubePort{{Name: "http", Number: 80, Target: "web"}, {Name: "admin", Number: 81, Target: "9000"}}

func slice(service string, ports map[string]uint32, endpoints ...plan.KubeEndpoint) plan.Object[*plan.KubeSlice] {
	return plan.Object[*plan.KubeSlice]{Namespace: "default", Name: service, Spec: &plan.KubeSlice{Service: service, Ports: ports, Endpoints: endpoints}}
}

func planOfWorld(t *testing.T, w *plan.World) *plan.Plan {
	t.Helper()
	p, err := plan.New(w, plan.Client{})
	require.NoError(t, err)
	return p
}

func TestKubernetesServices(t *testing.T) {
	w := worldOf(t, destinationRule("a", "host: a\nsubsets: [{name: v2, labels: {version: v2}}, {name: here, labels: {topology.kubernetes.io/zone: z1}}, {name: node, labels: {kubernetes.io/hostname: n1}}]")+
		virtualService("vs", "hosts: [a]\nhttp: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: a, subset: v2}, weight: 1}, {destination: {host: a, subset: here}, weight: 1}, {destination: {host: a, subset: node}, weight: 1}]}, {route: [{destination: {host: a}}]}]"))
	w.Services = []plan.Object[*plan.KubeService]{kubeService("a", plan.KubeService{ClusterIP: "10.96.0.1", Ports: webPorts})}
	w.EndpointSlices = []plan.Object[*plan.KubeSlice]{
		slice("a", map[string]uint32{"http": 8080, "admin": 9000}, plan.KubeEndpoint{Address: "10.0.0.1", Zone: "z1", Node: "n1", Pod: "a-1"}),
		slice("a", map[string]uint32{"http": 8081}, plan.KubeEndpoint{Address: "10.0.0.2", Pod: "a-2"}),
		slice("b", map[string]uint32{"http": 1}, plan.KubeEndpoint{Address: "10.0.0.3"}),
	}
	w.Pods = []plan.Object[*plan.KubePod]{
		{Namespace: "default", Name: "a-1", Spec: &plan.KubePod{Labels: map[string]string{"version": "v1"}, ServiceAccount: "account"}},
		{Namespace: "default", Name: "a-2", Spec: &plan.KubePod{Labels: map[string]string{"version": "v2"}}},
	}
	p := planOfWorld(t, w)
	require.Equal(t, "10.0.0.1:8080 10.0.0.2:8081", endpointsOf(p, 80, ""))
	require.Equal(t, "10.0.0.1:9000", endpointsOf(p, 81, ""), "slices have the ports that they name")
	require.Equal(t, "10.0.0.2:8081", endpointsOf(p, 80, "v2"), "labels are the pod's")
	require.Equal(t, "10.0.0.1:8080", endpointsOf(p, 80, "here"))
	require.Equal(t, "10.0.0.1:8080", endpointsOf(p, 80, "node"))
	require.Contains(t, names(p.Ports[80], "a"), "10.96.0.1")
	require.Equal(t, []string{"spiffe://cluster.local/ns/default/sa/account", "spiffe://cluster.local/ns/default/sa/default"},
		p.Clusters[plan.Cluster{Host: hostA, Port: 80}].Service.Identities())
}

func TestKubernetesServicesWithoutSlicesAreAskedByName(t *testing.T) {
	w := &plan.World{Services: []plan.Object[*plan.KubeService]{kubeService("a", plan.KubeService{ClusterIP: "10.96.0.1", Ports: webPorts})}}
	p := planOfWorld(t, w)
	require.Equal(t, hostA+":80", endpointsOf(p, 80, ""))
	require.Equal(t, hostA+":81", endpointsOf(p, 81, ""), "the cluster's address has the service's ports")

	w.Services[0].Spec.ClusterIP = "None"
	p = planOfWorld(t, w)
	require.Equal(t, hostA+":9000", endpointsOf(p, 81, ""), "pods have their own")
	require.NotContains(t, names(p.Ports[80], "a"), "None")
}

func TestKubernetesServicesAndEntries(t *testing.T) {
	w := worldOf(t, serviceEntry(hostA, "addresses: [10.7.7.7]\nresolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]\nendpoints: [{address: 10.0.0.9}]"))
	w.Services = []plan.Object[*plan.KubeService]{kubeService("a", plan.KubeService{ClusterIP: "10.96.0.1", Ports: webPorts})}
	w.EndpointSlices = []plan.Object[*plan.KubeSlice]{slice("a", map[string]uint32{"http": 8080}, plan.KubeEndpoint{Address: "10.0.0.1"})}
	p := planOfWorld(t, w)
	require.Equal(t, "10.0.0.1:8080 10.0.0.9:80", endpointsOf(p, 80, ""), "the entry adds endpoints to Kubernetes' service")
	require.NotContains(t, names(p.Ports[80], "a"), "10.7.7.7", "and nothing else")
}

func TestExternalNames(t *testing.T) {
	w := worldOf(t, services+virtualService("vs", "hosts: [b]\n"+toHost("alias")))
	w.Services = []plan.Object[*plan.KubeService]{
		kubeService("alias", plan.KubeService{ExternalName: hostA, Ports: webPorts}),
		kubeService("again", plan.KubeService{ExternalName: "alias.default.svc.cluster.local", Ports: webPorts}),
		kubeService("outside", plan.KubeService{ExternalName: "api.example.com", Ports: webPorts}),
	}
	p := planOfWorld(t, w)
	require.Equal(t, "a", to(p, 80, "alias"), "a name of a service that the mesh knows")
	require.Equal(t, "a", to(p, 80, "again.default.svc"), "also of another name")
	require.Equal(t, "a", to(p, 80, "b"), "also as a destination")
	require.Equal(t, "outside", to(p, 80, "outside"))
	require.Equal(t, "api.example.com:80", p.Clusters[plan.Cluster{Host: "outside.default.svc.cluster.local", Port: 80}].Endpoints[0].Addr)
}

func TestExternalNamesInACircle(t *testing.T) {
	p := planOfWorld(t, &plan.World{Services: []plan.Object[*plan.KubeService]{
		kubeService("a", plan.KubeService{ExternalName: "b.default.svc.cluster.local", Ports: webPorts}),
		kubeService("b", plan.KubeService{ExternalName: hostA, Ports: webPorts}),
	}})
	require.Equal(t, "-", to(p, 80, "a"))
}

func TestVisibilityOfKubernetesServices(t *testing.T) {
	w := &plan.World{Services: []plan.Object[*plan.KubeService]{kubeService("a", plan.KubeService{Ports: webPorts})}}
	w.Services[0].Namespace = "other"
	ask := func(exportTo string) string {
		w.Services[0].Annotations = map[string]string{"networking.istio.io/exportTo": exportTo}
		return to(planOfWorld(t, w), 80, "a.other")
	}
	require.Equal(t, "a.other", ask(""))
	require.Equal(t, "a.other", ask("third, default"))
	require.Equal(t, "-", ask("."))
	require.Equal(t, "-", ask("third"))
	require.Equal(t, "-", ask("~"))
}

func TestProtocolsOfKubernetesPorts(t *testing.T) {
	for _, tt := range []struct {
		port plan.KubePort
		want string
	}{
		{plan.KubePort{Name: "http"}, "HTTP"},
		{plan.KubePort{Name: "http-web"}, "HTTP"},
		{plan.KubePort{Name: "http2-web"}, "HTTP2"},
		{plan.KubePort{Name: "GRPC"}, "GRPC"},
		{plan.KubePort{Name: "grpc-web"}, "GRPC-WEB"},
		{plan.KubePort{Name: "grpc-web-x"}, "GRPC-WEB"},
		{plan.KubePort{Name: "grpc-website"}, "GRPC"},
		{plan.KubePort{Name: "tcp-db"}, "TCP"},
		{plan.KubePort{Name: "httpweb"}, ""},
		{plan.KubePort{Name: "web"}, ""},
		{plan.KubePort{Name: "web", AppProtocol: "http"}, "HTTP"},
		{plan.KubePort{Name: "tcp-x", AppProtocol: "grpc"}, "GRPC"},
		{plan.KubePort{Name: "http", AppProtocol: "example.com/own"}, ""},
		{plan.KubePort{Name: "x", AppProtocol: "kubernetes.io/h2c"}, "HTTP2"},
		{plan.KubePort{Name: "x", AppProtocol: "kubernetes.io/ws"}, "HTTP"},
		{plan.KubePort{Name: "x", AppProtocol: "kubernetes.io/wss"}, "HTTPS"},
		{plan.KubePort{Name: "http", Transport: "UDP"}, "UDP"},
	} {
		t.Run(tt.port.Name+tt.port.AppProtocol, func(t *testing.T) {
			tt.port.Number = 80
			p := planOfWorld(t, &plan.World{Services: []plan.Object[*plan.KubeService]{kubeService("a", plan.KubeService{Ports: []plan.KubePort{tt.port}})}})
			require.Equal(t, tt.want, p.Clusters[plan.Cluster{Host: hostA, Port: 80}].Port.Protocol)
		})
	}
}
