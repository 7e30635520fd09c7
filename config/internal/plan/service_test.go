package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/lb"
)

const hostA = "a.default.svc.cluster.local"

// endpointsOf are the addresses of a cluster of service a; "none" where the
// cluster does not exist.
func endpointsOf(p *plan.Plan, port uint32, subset string) string {
	target := p.Clusters[plan.Cluster{Host: hostA, Port: port, Subset: subset}]
	if target == nil {
		return "none"
	}
	var all []string
	for _, e := range target.Endpoints {
		all = append(all, e.Addr)
	}
	return strings.Join(all, " ")
}

func workloadEntry(name, labels, spec string) string {
	return fmt.Sprintf("---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: %s, namespace: default, labels: {%s}}\nspec: {%s}\n", name, labels, spec)
}

func TestEndpoints(t *testing.T) {
	const port = "ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 90, name: other, protocol: HTTP}]\n"
	for _, tt := range []struct {
		name, documents string
		want, wantOther string // on ports 80 and 90
	}{
		{"a listed one on the target port", serviceEntry(hostA, "resolution: STATIC\n"+port+"endpoints: [{address: 10.0.0.1}]"), "10.0.0.1:8080", "10.0.0.1:90"},
		{"on its own port", serviceEntry(hostA, "resolution: STATIC\n"+port+"endpoints: [{address: 10.0.0.1, ports: {http: 9999}}]"), "10.0.0.1:9999", "10.0.0.1:90"},
		{"of the sixth version of IP", serviceEntry(hostA, "resolution: STATIC\n"+port+"endpoints: [{address: '2001:db8::1'}]"), "[2001:db8::1]:8080", "[2001:db8::1]:90"},
		{"a socket has no port", serviceEntry(hostA, "resolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]\nendpoints: [{address: 'unix:///run/a'}]"), "unix:///run/a", "none"},
		{"none", serviceEntry(hostA, "resolution: STATIC\n"+port), "", ""},
		{"the host by DNS", serviceEntry(hostA, "resolution: DNS\n"+port), hostA + ":8080", hostA + ":90"},
		{"the host by DNS, one address at a time", serviceEntry(hostA, "resolution: DNS_ROUND_ROBIN\n"+port), hostA + ":8080", hostA + ":90"},
		{"the host where the caller's address is meant", serviceEntry(hostA, "resolution: NONE\n"+port), hostA + ":8080", hostA + ":90"},
		{"a name by DNS", serviceEntry(hostA, "resolution: DNS\n"+port+"endpoints: [{address: x.example.com}]"), "x.example.com:8080", "x.example.com:90"},
		{"those selected by their labels, by name", serviceEntry(hostA, "resolution: STATIC\n"+port+"workloadSelector: {labels: {app: web}}") +
			workloadEntry("two", "", "address: 10.0.0.2, labels: {app: web, version: v2}") +
			workloadEntry("three", "", "address: 10.0.0.3, labels: {app: job}") +
			workloadEntry("one", "app: web", "address: 10.0.0.1"),
			"10.0.0.1:8080 10.0.0.2:8080", "10.0.0.1:90 10.0.0.2:90"},
		{"labels of the object go before those of its spec", serviceEntry(hostA, "resolution: STATIC\n"+port+"workloadSelector: {labels: {app: web}}") +
			workloadEntry("one", "app: job", "address: 10.0.0.1, labels: {app: web}"), "", ""},
		{"names are selected by DNS alone", serviceEntry(hostA, "resolution: STATIC\n"+port+"workloadSelector: {labels: {app: web}}") +
			workloadEntry("one", "app: web", "address: x.example.com"), "", ""},
		{"and by it they are", serviceEntry(hostA, "resolution: DNS\n"+port+"workloadSelector: {labels: {app: web}}") +
			workloadEntry("one", "app: web", "address: x.example.com"), "x.example.com:8080", "x.example.com:90"},
		{"nothing is asked for by name beside a selector", serviceEntry(hostA, "resolution: DNS\n"+port+"workloadSelector: {labels: {app: web}}"), "", ""},
		{"those of other namespaces are not selected", serviceEntry(hostA, "resolution: STATIC\n"+port+"workloadSelector: {labels: {app: web}}") +
			strings.Replace(workloadEntry("one", "app: web", "address: 10.0.0.1"), "namespace: default", "namespace: other", 1), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, tt.documents, plan.Client{})
			require.Equal(t, tt.want, endpointsOf(p, 80, ""))
			require.Equal(t, tt.wantOther, endpointsOf(p, 90, ""))
		})
	}
}

func TestSeveralEntriesForOneHost(t *testing.T) {
	entry := func(name, fields string) string {
		return document("ServiceEntry", name, "hosts: ["+hostA+"]\nlocation: MESH_INTERNAL\n"+fields)
	}
	web := func(number int, name, addr string) string {
		return fmt.Sprintf("resolution: STATIC\nports: [{number: %d, name: %s, protocol: HTTP}]\nendpoints: [{address: %s}]", number, name, addr)
	}
	for _, tt := range []struct {
		name, documents string
		want, wantOther string // on ports 80 and 90
	}{
		{"their endpoints are united", entry("one", web(80, "http", "10.0.0.1")) + entry("two", web(80, "http", "10.0.0.2")), "10.0.0.1:80 10.0.0.2:80", "none"},
		{"by the names of ports", entry("one", web(80, "http", "10.0.0.1")) + entry("two", web(80, "web", "10.0.0.2")), "10.0.0.1:80", "none"},
		{"and so are their ports", entry("one", web(80, "http", "10.0.0.1")) + entry("two", web(90, "other", "10.0.0.2")), "10.0.0.1:80", "10.0.0.2:90"},
		{"but not those of another kind", entry("one", web(80, "http", "10.0.0.1")) +
			entry("two", "resolution: DNS\nports: [{number: 90, name: other, protocol: HTTP}]"), "10.0.0.1:80", "none"},
		{"in other namespaces the oldest counts", entry("other/one", web(80, "http", "10.0.0.1")) + entry("two", web(80, "http", "10.0.0.2")), "10.0.0.1:80", "none"},
		{"and one exported to the client before those for all", entry("other/one", web(80, "http", "10.0.0.1")) +
			entry("two", "exportTo: ['.']\n"+web(80, "http", "10.0.0.2")), "10.0.0.2:80", "none"},
		{"one that is not seen does not", entry("other/one", "exportTo: ['.']\n"+web(80, "http", "10.0.0.1")) + entry("two", web(80, "http", "10.0.0.2")), "10.0.0.2:80", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, tt.documents, plan.Client{})
			require.Equal(t, tt.want, endpointsOf(p, 80, ""))
			require.Equal(t, tt.wantOther, endpointsOf(p, 90, ""))
		})
	}
}

func TestLabelsOfEndpoints(t *testing.T) {
	p := planOf(t, serviceEntry(hostA, `resolution: STATIC
ports: [{number: 80, name: http, protocol: HTTP}]
endpoints:
- {address: 10.0.0.1, locality: r1/z1/s1/more, network: n1, weight: 5}
- {address: 10.0.0.2, labels: {istio-locality: r1.z2, topology.istio.io/network: own}, network: n2}
- {address: 10.0.0.3, labels: {topology.istio.io/locality: r2.z3, istio-locality: r9, topology.kubernetes.io/region: lie}}
- {address: 10.0.0.4}`)+destinationRule("a", `host: a
subsets:
- {name: region, labels: {topology.kubernetes.io/region: r1}}
- {name: zone, labels: {topology.kubernetes.io/zone: z3}}
- {name: network, labels: {topology.istio.io/network: n1}}`)+virtualService("vs", `hosts: [x.example.com]
http: [{route: [{destination: {host: a, subset: region}, weight: 1}, {destination: {host: a, subset: zone}, weight: 1}, {destination: {host: a, subset: network}, weight: 1}]}]`), plan.Client{})
	endpoints := p.Clusters[plan.Cluster{Host: hostA, Port: 80}].Endpoints
	require.Len(t, endpoints, 4)
	require.Equal(t, lb.Endpoint{
		Addr: "10.0.0.1:80", Weight: 5, Locality: lb.Locality{Region: "r1", Zone: "z1", SubZone: "s1"},
		Labels: map[string]string{
			"topology.kubernetes.io/region": "r1", "topology.kubernetes.io/zone": "z1", "topology.istio.io/subzone": "s1", "topology.istio.io/network": "n1",
		},
	}, endpoints[0])
	require.Equal(t, lb.Locality{Region: "r1", Zone: "z2"}, endpoints[1].Locality)
	require.Equal(t, "own", endpoints[1].Labels["topology.istio.io/network"])
	require.Equal(t, lb.Locality{Region: "r2", Zone: "z3"}, endpoints[2].Locality)
	require.Equal(t, "r2", endpoints[2].Labels["topology.kubernetes.io/region"])
	require.Zero(t, endpoints[3].Locality)

	require.Equal(t, "10.0.0.1:80 10.0.0.2:80", endpointsOf(p, 80, "region"))
	require.Equal(t, "10.0.0.3:80", endpointsOf(p, 80, "zone"))
	require.Equal(t, "10.0.0.1:80", endpointsOf(p, 80, "network"))
}

func TestAHostAskedByNameHasNoLabels(t *testing.T) {
	p := planOf(t, serviceEntry(hostA, "resolution: DNS\nports: [{number: 80, name: http, protocol: HTTP}]")+
		destinationRule("a", "host: a\nsubsets: [{name: v1, labels: {version: v1}}, {name: all}]")+
		virtualService("vs", "hosts: [a]\nhttp: [{route: [{destination: {host: a, subset: v1}, weight: 1}, {destination: {host: a, subset: all}, weight: 1}]}]"), plan.Client{})
	require.Equal(t, "", endpointsOf(p, 80, "v1"))
	require.Equal(t, hostA+":80", endpointsOf(p, 80, "all"))
}

func TestIdentities(t *testing.T) {
	documents := serviceEntry(hostA, `resolution: STATIC
subjectAltNames: [spiffe://partner/x, a.example.com]
ports: [{number: 80, name: http, protocol: HTTP}]
endpoints: [{address: 10.0.0.1, serviceAccount: reviews}, {address: 10.0.0.2, serviceAccount: reviews}, {address: 10.0.0.3}]`)
	service := func(p *plan.Plan) *plan.Service { return p.Clusters[plan.Cluster{Host: hostA, Port: 80}].Service }
	s := service(planOf(t, documents, plan.Client{}))
	require.Equal(t, []string{"a.example.com", "spiffe://cluster.local/ns/default/sa/reviews", "spiffe://partner/x"}, s.Identities())
	require.Equal(t, []string{"spiffe://partner/x", "a.example.com"}, s.SANs)

	s = service(planOf(t, documents+"---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ntrustDomain: example.org\n", plan.Client{}))
	require.True(t, slices.Contains(s.Identities(), "spiffe://example.org/ns/default/sa/reviews"))

	s = service(planOf(t, documents+"---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ntrustDomainAliases: [old.org]\n", plan.Client{}))
	require.Equal(t, []string{
		"a.example.com", "spiffe://cluster.local/ns/default/sa/reviews", "spiffe://old.org/ns/default/sa/reviews", "spiffe://partner/x",
	}, s.Identities())
}
