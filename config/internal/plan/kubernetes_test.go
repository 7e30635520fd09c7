package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/internal/plan"
)

func kubeService(name string, k kube.Service) plan.Object[*kube.Service] {
	return plan.Object[*kube.Service]{Namespace: "default", Name: name, Spec: &k}
}

var webPorts = []kube.ServicePort{{Name: "http", Port: 80, TargetPort: "web"}, {Name: "admin", Port: 81, TargetPort: "9000"}}

func slice(service string, ports []kube.EndpointPort, endpoints ...kube.Endpoint) plan.Object[*kube.EndpointSlice] {
	return plan.Object[*kube.EndpointSlice]{Namespace: "default", Name: service, Spec: &kube.EndpointSlice{Service: service, Ports: ports, Endpoints: endpoints}}
}

// endpoint is one of a Pod, if that has a name.
func endpoint(address, pod string) kube.Endpoint {
	e := kube.Endpoint{Addresses: []string{address}}
	if pod != "" {
		e.TargetRef = kube.TargetRef{Kind: "Pod", Name: pod}
	}
	return e
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
	w.Services = []plan.Object[*kube.Service]{kubeService("a", kube.Service{ClusterIP: "10.96.0.1", Ports: webPorts})}
	placed := endpoint("10.0.0.1", "a-1")
	placed.Zone, placed.NodeName = "z1", "n1"
	w.EndpointSlices = []plan.Object[*kube.EndpointSlice]{
		slice("a", []kube.EndpointPort{{Name: "http", Port: 8080}, {Name: "admin", Port: 9000}}, placed),
		slice("a", []kube.EndpointPort{{Name: "http", Port: 8081}}, endpoint("10.0.0.2", "a-2")),
		slice("b", []kube.EndpointPort{{Name: "http", Port: 1}}, endpoint("10.0.0.3", "")),
	}
	w.Pods = []plan.Object[*kube.Pod]{
		{Namespace: "default", Name: "a-1", Spec: &kube.Pod{Labels: map[string]string{"version": "v1"}, ServiceAccount: "account"}},
		{Namespace: "default", Name: "a-2", Spec: &kube.Pod{Labels: map[string]string{"version": "v2"}}},
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
	w := &plan.World{Services: []plan.Object[*kube.Service]{kubeService("a", kube.Service{ClusterIP: "10.96.0.1", Ports: webPorts})}}
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
	w.Services = []plan.Object[*kube.Service]{kubeService("a", kube.Service{ClusterIP: "10.96.0.1", Ports: webPorts})}
	w.EndpointSlices = []plan.Object[*kube.EndpointSlice]{slice("a", []kube.EndpointPort{{Name: "http", Port: 8080}}, endpoint("10.0.0.1", ""))}
	p := planOfWorld(t, w)
	require.Equal(t, "10.0.0.1:8080 10.0.0.9:80", endpointsOf(p, 80, ""), "the entry adds endpoints to Kubernetes' service")
	require.NotContains(t, names(p.Ports[80], "a"), "10.7.7.7", "and nothing else")
}

func TestExternalNames(t *testing.T) {
	w := worldOf(t, services+virtualService("vs", "hosts: [b]\n"+toHost("alias")))
	w.Services = []plan.Object[*kube.Service]{
		kubeService("alias", kube.Service{Type: kube.ExternalName, ExternalName: hostA, Ports: webPorts}),
		kubeService("again", kube.Service{Type: kube.ExternalName, ExternalName: "alias.default.svc.cluster.local", Ports: webPorts}),
		kubeService("outside", kube.Service{Type: kube.ExternalName, ExternalName: "api.example.com", Ports: webPorts}),
	}
	p := planOfWorld(t, w)
	require.Equal(t, "a", to(p, 80, "alias"), "a name of a service that the mesh knows")
	require.Equal(t, "a", to(p, 80, "again.default.svc"), "also of another name")
	require.Equal(t, "a", to(p, 80, "b"), "also as a destination")
	require.Equal(t, "outside", to(p, 80, "outside"))
	require.Equal(t, "api.example.com:80", p.Clusters[plan.Cluster{Host: "outside.default.svc.cluster.local", Port: 80}].Endpoints[0].Addr)
}

func TestExternalNamesInACircle(t *testing.T) {
	p := planOfWorld(t, &plan.World{Services: []plan.Object[*kube.Service]{
		kubeService("a", kube.Service{Type: kube.ExternalName, ExternalName: "b.default.svc.cluster.local", Ports: webPorts}),
		kubeService("b", kube.Service{Type: kube.ExternalName, ExternalName: hostA, Ports: webPorts}),
	}})
	require.Equal(t, "-", to(p, 80, "a"))
}

func TestVisibilityOfKubernetesServices(t *testing.T) {
	w := &plan.World{Services: []plan.Object[*kube.Service]{kubeService("a", kube.Service{Ports: webPorts})}}
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
		port kube.ServicePort
		want string
	}{
		{kube.ServicePort{Name: "http"}, "HTTP"},
		{kube.ServicePort{Name: "http-web"}, "HTTP"},
		{kube.ServicePort{Name: "http2-web"}, "HTTP2"},
		{kube.ServicePort{Name: "GRPC"}, "GRPC"},
		{kube.ServicePort{Name: "grpc-web"}, "GRPC-WEB"},
		{kube.ServicePort{Name: "grpc-web-x"}, "GRPC-WEB"},
		{kube.ServicePort{Name: "grpc-website"}, "GRPC"},
		{kube.ServicePort{Name: "tcp-db"}, "TCP"},
		{kube.ServicePort{Name: "httpweb"}, ""},
		{kube.ServicePort{Name: "web"}, ""},
		{kube.ServicePort{Name: "web", AppProtocol: "http"}, "HTTP"},
		{kube.ServicePort{Name: "tcp-x", AppProtocol: "grpc"}, "GRPC"},
		{kube.ServicePort{Name: "http", AppProtocol: "example.com/own"}, ""},
		{kube.ServicePort{Name: "x", AppProtocol: "kubernetes.io/h2c"}, "HTTP2"},
		{kube.ServicePort{Name: "x", AppProtocol: "kubernetes.io/ws"}, "HTTP"},
		{kube.ServicePort{Name: "x", AppProtocol: "kubernetes.io/wss"}, "HTTPS"},
		{kube.ServicePort{Name: "http", Protocol: "UDP"}, "UDP"},
	} {
		t.Run(tt.port.Name+tt.port.AppProtocol, func(t *testing.T) {
			tt.port.Port = 80
			p := planOfWorld(t, &plan.World{Services: []plan.Object[*kube.Service]{kubeService("a", kube.Service{Ports: []kube.ServicePort{tt.port}})}})
			require.Equal(t, tt.want, p.Clusters[plan.Cluster{Host: hostA, Port: 80}].Port.Protocol)
		})
	}
}
