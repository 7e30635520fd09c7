package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

func TestNamesOfAService(t *testing.T) {
	p := planOf(t, services, plan.Client{})
	require.Equal(t, []string{
		"a", "a.default", "a.default.svc", "a.default.svc.cluster.local", "a.default.svc.cluster.local.",
	}, names(p.Ports[80], "a"))
	require.Equal(t, []string{
		"far.other", "far.other.svc", "far.other.svc.cluster.local", "far.other.svc.cluster.local.",
	}, names(p.Ports[80], "far.other"), "the shortest form is for clients of its namespace")
	require.Equal(t, "-", to(p, 80, "far"))

	p = planOf(t, services, plan.Client{Namespace: "other"})
	require.Equal(t, "far.other", to(p, 80, "far"))
	require.Equal(t, "-", to(p, 80, "a"))
}

func TestNamesOfServicesElsewhere(t *testing.T) {
	p := planOf(t, serviceEntry("api.example.com", `addresses: [10.9.9.9, 10.8.0.0/16]
resolution: STATIC
ports: [{number: 80, name: http, protocol: HTTP}]`)+serviceEntry("*.wild.example.com", `resolution: NONE
ports: [{number: 80, name: http, protocol: HTTP}]`), plan.Client{})
	require.Equal(t, []string{"10.9.9.9", "api.example.com", "api.example.com."}, names(p.Ports[80], "api.example.com"))
	require.Equal(t, "*.wild.example.com", to(p, 80, "x.wild.example.com"))
}

func TestAShortFormGivesWayToAServiceOfThatName(t *testing.T) {
	p := planOf(t, services+serviceEntry("a.default", ""), plan.Client{})
	require.Equal(t, []string{"a.default", "a.default."}, names(p.Ports[80], "a.default"))
	require.Equal(t, "a", to(p, 80, "a"))
	require.NotContains(t, names(p.Ports[80], "a"), "a.default")
}

// toB is a VirtualService's rule that sends everything to b, to tell from a
// service's own.
const toB = "http: [{route: [{destination: {host: b.default.svc.cluster.local}}]}]\n"

func toHost(host string) string {
	return "http: [{route: [{destination: {host: " + host + "}}]}]\n"
}

func TestWhichVirtualServiceCounts(t *testing.T) {
	client := plan.Client{Namespace: "default", Labels: map[string]string{"app": "x"}}
	for _, tt := range []struct {
		name      string
		documents string
		ask, want string
	}{
		{"a short host is a service beside the resource",
			virtualService("vs", "hosts: [a]\n"+toB), "a", "b"},
		{"and not beside the client",
			virtualService("other/vs", "hosts: [a]\n"+toB), "a", "a"},
		{"a host with a dot is taken as it is",
			virtualService("vs", "hosts: [a.default]\n"+toB), "a", "a"},
		{"short destinations are beside the resource",
			virtualService("other/vs", "hosts: [a.default.svc.cluster.local]\nhttp: [{route: [{destination: {host: far}}]}]"), "a", "far.other"},
		{"the older one counts alone",
			virtualService("old", "hosts: [a]\n"+toB) + virtualService("new", "hosts: [a]\n"+toHost("far.other.svc.cluster.local")), "a", "b"},
		{"what is private to the client's namespace comes before what is older and public",
			virtualService("other/old", "hosts: [a.default.svc.cluster.local]\n"+toHost("far")) + virtualService("new", "hosts: [a]\nexportTo: ['.']\n"+toB), "a", "b"},
		{"private may be said by the namespace's name",
			virtualService("other/old", "hosts: [a.default.svc.cluster.local]\n"+toHost("far")) + virtualService("new", "hosts: [a]\nexportTo: [default]\n"+toB), "a", "b"},
		{"what is exported by name comes before what is public",
			virtualService("other/old", "hosts: [a.default.svc.cluster.local]\n"+toHost("far")) + virtualService("third/new", "hosts: [a.default.svc.cluster.local]\nexportTo: [default]\n"+toB), "a", "b"},
		{"what is private elsewhere is not seen",
			virtualService("other/vs", "hosts: [a.default.svc.cluster.local]\nexportTo: ['.']\n"+toB), "a", "a"},
		{"nor is what is exported elsewhere",
			virtualService("other/vs", "hosts: [a.default.svc.cluster.local]\nexportTo: [third]\n"+toB), "a", "a"},
		{"the mesh can make private what says nothing",
			"---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ndefaultVirtualServiceExportTo: ['.']\n" +
				virtualService("other/vs", "hosts: [a.default.svc.cluster.local]\n"+toB), "a", "a"},
		{"a wildcard is for services in it",
			virtualService("vs", "hosts: ['*.default.svc.cluster.local']\n"+toB), "a", "b"},
		{"an exact host beats an older wildcard",
			virtualService("wild", "hosts: ['*.default.svc.cluster.local']\n"+toHost("far.other.svc.cluster.local")) + virtualService("exact", "hosts: [a]\n"+toB), "a", "b"},
		{"a longer wildcard beats an older one",
			virtualService("wide", "hosts: ['*.cluster.local']\n"+toHost("far.other.svc.cluster.local")) + virtualService("narrow", "hosts: ['*.default.svc.cluster.local']\n"+toB), "a", "b"},
		{"a host that is no service is served as it is",
			virtualService("vs", "hosts: [shop.example.com]\n"+toB), "shop.example.com", "b"},
		{"without a form with a dot at the end",
			virtualService("vs", "hosts: [shop.example.com]\n"+toB), "shop.example.com.", "-"},
		{"in small letters",
			virtualService("vs", "hosts: [Shop.Example.com]\n"+toB), "shop.example.com", "b"},
		{"a wildcard without services is served as it is",
			virtualService("vs", "hosts: ['*.example.com']\n"+toB), "x.example.com", "b"},
		{"a wildcard that is a service is for the services in it, too",
			serviceEntry("*.ext.example", "resolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]") +
				serviceEntry("api.ext.example", "resolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]") +
				virtualService("vs", "hosts: ['*.ext.example']\n"+toB), "api.ext.example", "b"},
		{"a wildcard with services is for them alone",
			virtualService("vs", "hosts: ['*.default.svc.cluster.local']\n"+toB), "c.default.svc.cluster.local", "-"},
		{"one for a gateway is not for the mesh",
			virtualService("vs", "hosts: [a]\ngateways: [gw]\n"+toB), "a", "a"},
		{"one for a gateway and the mesh is",
			virtualService("vs", "hosts: [a]\ngateways: [gw, mesh]\n"+toB), "a", "b"},
		{"without rules for this client it counts as absent",
			virtualService("vs", "hosts: [a]\nhttp: [{match: [{sourceLabels: {app: web}}], route: [{destination: {host: b}}]}]\n"), "a", "a"},
		{"and a younger one for the host takes its place",
			virtualService("vs", "hosts: [a]\nhttp: [{match: [{sourceLabels: {app: web}}], route: [{destination: {host: far.other.svc.cluster.local}}]}]\n") +
				virtualService("vs2", "hosts: [a]\n"+toB), "a", "b"},
		{"but a wider one does not",
			virtualService("vs", "hosts: [a]\nhttp: [{match: [{sourceLabels: {app: web}}], route: [{destination: {host: far.other.svc.cluster.local}}]}]\n") +
				virtualService("wild", "hosts: ['*.default.svc.cluster.local']\n"+toB), "a", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, to(planOf(t, services+tt.documents, client), 80, tt.ask))
		})
	}
}

func TestHostsThatAreNoServiceOnOtherPorts(t *testing.T) {
	documents := services + serviceEntry("alt.default.svc.cluster.local", `resolution: STATIC
ports: [{number: 8080, name: http, protocol: HTTP}]`) +
		virtualService("alone", "hosts: [shop.example.com]\n"+toB) +
		virtualService("together", "hosts: [alt, alt.example.com]\n"+toB)
	p := planOf(t, documents, plan.Client{})
	require.Equal(t, "b", to(p, 80, "shop.example.com"))
	require.Equal(t, "b", to(p, 80, "alt.example.com"))
	require.Equal(t, "-", to(p, 8080, "shop.example.com"), "it goes with no service on the port")
	require.Equal(t, "b:8080", to(p, 8080, "alt.example.com"), "it goes with the service")
	require.Equal(t, "b", to(p, 9999, "shop.example.com"), "a port that no service has")
}

func TestPortsOfOtherProtocolsHaveNoRules(t *testing.T) {
	p := planOf(t, serviceEntry("db.default.svc.cluster.local", `resolution: STATIC
ports: [{number: 3306, name: db, protocol: MySQL}, {number: 80, name: http, protocol: http}]`)+services+
		virtualService("vs", "hosts: [db]\n"+toB), plan.Client{})
	require.Equal(t, "b", to(p, 80, "db"))
	require.Equal(t, "db:3306", to(p, 3306, "db"))
}

func TestUnknownHosts(t *testing.T) {
	require.False(t, planOf(t, services, plan.Client{}).Refuse)
	mesh := "---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\noutboundTrafficPolicy: {mode: "
	require.True(t, planOf(t, services+mesh+"REGISTRY_ONLY}\n", plan.Client{}).Refuse)
	require.False(t, planOf(t, services+mesh+"ALLOW_ANY}\n", plan.Client{}).Refuse)
}
