package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

// pool is a top-level policy with a limit to tell it by.
func pool(n int) string {
	return fmt.Sprintf("trafficPolicy: {connectionPool: {tcp: {maxConnections: %d}}}\n", n)
}

// limitOf is the limit in the policy of the service a, or 0.
func limitOf(t *testing.T, p *plan.Plan, subset string) int {
	t.Helper()
	target := p.Clusters[plan.Cluster{Host: "a.default.svc.cluster.local", Port: 80, Subset: subset}]
	require.NotNil(t, target)
	return int(target.Policy.ConnectionPool.GetTcp().GetMaxConnections())
}

func TestWhichDestinationRuleCounts(t *testing.T) {
	web := plan.Client{Namespace: "default", Labels: map[string]string{"app": "web"}}
	elsewhere := plan.Client{Namespace: "third"}
	operator := plan.Client{Namespace: "istio-system"}
	const host = "host: a.default.svc.cluster.local\n"
	for _, tt := range []struct {
		name      string
		client    plan.Client
		documents string
		want      int
	}{
		{"none", web, "", 0},
		{"of the client's namespace before the service's", elsewhere,
			destinationRule("service", host+pool(1)) + destinationRule("third/client", host+pool(2)), 2},
		{"of the service's before the root's", elsewhere,
			destinationRule("istio-system/root", host+pool(1)) + destinationRule("service", host+pool(2)), 2},
		{"of the root namespace", elsewhere, destinationRule("istio-system/root", host+pool(1)), 1},
		{"of no other namespace", elsewhere, destinationRule("fourth/x", host+pool(1)), 0},
		{"a short host is beside the rule", web, destinationRule("a", "host: a\n"+pool(1)), 1},
		{"and nowhere else", elsewhere, destinationRule("third/a", "host: a\n"+pool(1)), 0},
		{"an exact host before a wildcard", web,
			destinationRule("wild", "host: '*.default.svc.cluster.local'\n"+pool(1)) + destinationRule("exact", "host: a\n"+pool(2)), 2},
		{"a longer wildcard before a shorter", web,
			destinationRule("wide", "host: '*.local'\n"+pool(1)) + destinationRule("narrow", "host: '*.default.svc.cluster.local'\n"+pool(2)), 2},
		{"a wildcard of the client's namespace before an exact host of the service's", elsewhere,
			destinationRule("third/wild", "host: '*.local'\n"+pool(1)) + destinationRule("exact", host+pool(2)), 1},
		{"the wildcard for all", web, destinationRule("all", "host: '*'\n"+pool(1)), 1},
		{"nothing is taken from a wildcard beside an exact host", web,
			destinationRule("wild", "host: '*.default.svc.cluster.local'\n"+pool(1)) + destinationRule("exact", "host: a\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}"), 0},
		{"what the service's namespace keeps to itself is not seen", elsewhere,
			destinationRule("service", host+"exportTo: ['.']\n"+pool(1)), 0},
		{"nor what is exported elsewhere", elsewhere, destinationRule("service", host+"exportTo: [fourth]\n"+pool(1)), 0},
		{"what is exported here is", elsewhere, destinationRule("service", host+"exportTo: [third]\n"+pool(1)), 1},
		{"what is not seen still hides a wider host of its namespace", elsewhere,
			destinationRule("exact", host+"exportTo: [fourth]\n"+pool(1)) + destinationRule("wild", "host: '*.local'\n"+pool(2)), 0},
		{"but not the root's", elsewhere,
			destinationRule("exact", host+"exportTo: [fourth]\n"+pool(1)) + destinationRule("istio-system/root", host+pool(2)), 2},
		{"what the client's namespace exports elsewhere only is not for it", web, destinationRule("a", host+"exportTo: [third]\n"+pool(1)), 0},
		{"a client in the root namespace takes the service's first", operator,
			destinationRule("istio-system/root", host+pool(1)) + destinationRule("service", host+pool(2)), 2},
		{"unless its own are private", operator,
			destinationRule("istio-system/root", host+"exportTo: ['.']\n"+pool(1)) + destinationRule("service", host+pool(2)), 1},

		{"of several the oldest gives the policy", web, destinationRule("old", host+pool(1)) + destinationRule("new", host+pool(2)), 1},
		{"a later one gives it if the oldest has none", web,
			destinationRule("old", host+"subsets: [{name: v1}]") + destinationRule("new", host+pool(2)), 2},
		{"nothing inside of policies is merged", web,
			destinationRule("old", host+"trafficPolicy: {loadBalancer: {simple: RANDOM}}") + destinationRule("new", host+pool(2)), 0},
		{"those of unequal reach stay apart, and the last counts", web,
			destinationRule("old", host+"exportTo: [default]\n"+pool(1)) + destinationRule("new", host+"exportTo: ['*']\n"+pool(2)), 2},
		{"unless the later one reaches farther and over the earlier", web,
			destinationRule("old", host+"exportTo: [default]\n"+pool(1)) + destinationRule("new", host+"exportTo: [default, third]\n"+pool(2)), 1},

		{"one for these workloads before one for all", web,
			destinationRule("all", host+pool(1)) + destinationRule("some", host+"workloadSelector: {matchLabels: {app: web}}\n"+pool(2)), 2},
		{"one for others does not count", web,
			destinationRule("all", host+pool(1)) + destinationRule("some", host+"workloadSelector: {matchLabels: {app: job}}\n"+pool(2)), 1},
		{"one for some workloads stays in its namespace", elsewhere,
			destinationRule("some", host+"workloadSelector: {matchLabels: {app: web}}\n"+pool(2)), 0},
		{"Istio loses one for all of the same reach as one for some", plan.Client{},
			destinationRule("all", host+"exportTo: ['.']\n"+pool(1)) + destinationRule("some", host+"workloadSelector: {matchLabels: {app: web}}\n"+pool(2)), 0},
		{"of two for these workloads with other labels the older", web,
			destinationRule("one", host+"workloadSelector: {matchLabels: {app: web}}\n"+pool(1)) +
				destinationRule("two", host+"workloadSelector: {matchLabels: {}}\n"+pool(2)), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, limitOf(t, planOf(t, services+tt.documents, tt.client), ""))
		})
	}
}

func TestSubsetsOfSeveralRules(t *testing.T) {
	p := planOf(t, serviceEntry("a.default.svc.cluster.local", `resolution: STATIC
ports: [{number: 80, name: http, protocol: HTTP}]
endpoints: [{address: 10.0.0.1, labels: {version: v1}}, {address: 10.0.0.2, labels: {version: v2}}]`)+
		destinationRule("one", "host: a\nsubsets: [{name: v1, labels: {version: v1}}]")+
		destinationRule("two", "host: a\nsubsets: [{name: v1, labels: {version: v2}}, {name: v2, labels: {version: v2}}, {name: all}]")+
		virtualService("vs", "hosts: [a]\nhttp: [{route: [{destination: {host: a, subset: v1}, weight: 1}, {destination: {host: a, subset: v2}, weight: 1}, {destination: {host: a, subset: all}, weight: 1}]}]"),
		plan.Client{})
	addrs := func(subset string) (all []string) {
		for _, e := range p.Clusters[plan.Cluster{Host: "a.default.svc.cluster.local", Port: 80, Subset: subset}].Endpoints {
			all = append(all, e.Addr)
		}
		return all
	}
	require.Equal(t, []string{"10.0.0.1:80"}, addrs("v1"), "the first of a name counts")
	require.Equal(t, []string{"10.0.0.2:80"}, addrs("v2"))
	require.Equal(t, []string{"10.0.0.1:80", "10.0.0.2:80"}, addrs("all"), "a subset without labels is all")
}

// TestInheritance tells each block of the policy of a subset on port 80 by where
// it came from: the number of connections, the interval, the algorithm and the
// name for TLS.
func TestInheritance(t *testing.T) {
	block := func(of string) string {
		n := map[string]int{"top": 1, "port": 2, "subset": 3, "subsetport": 4, "mesh": 5}[of]
		lb := map[string]string{"top": "ROUND_ROBIN", "port": "LEAST_REQUEST", "subset": "RANDOM", "subsetport": "PASSTHROUGH"}[of]
		return fmt.Sprintf("connectionPool: {tcp: {maxConnections: %d}}, outlierDetection: {interval: %ds}, loadBalancer: {simple: %s}, tls: {mode: SIMPLE, sni: %s}", n, n, lb, of)
	}
	only := func(of string) string { return "loadBalancer: {simple: RANDOM}, tls: {mode: SIMPLE, sni: " + of + "}" }
	show := func(p plan.Policy) string {
		return fmt.Sprint(p.ConnectionPool.GetTcp().GetMaxConnections(), " ", p.OutlierDetection.GetInterval().GetSeconds(), " ",
			p.LoadBalancer.GetSimple(), " ", p.TLS.GetSni(), " ", p.RetryBudget.GetPercent().GetValue())
	}
	const budget = ", retryBudget: {percent: 33}"
	for _, tt := range []struct {
		name             string
		top, port        string // of the rule
		subset, subsPort string
		mesh             string
		want, wantWhole  string // of the subset, and of the service
	}{
		{name: "nothing", want: "0 0 UNSPECIFIED  0", wantWhole: "0 0 UNSPECIFIED  0"},
		{name: "the service's", top: block("top") + budget, want: "1 1 ROUND_ROBIN top 33", wantWhole: "1 1 ROUND_ROBIN top 33"},
		{name: "a port's entry replaces all", top: block("top") + budget, port: only("port"),
			want: "0 0 RANDOM port 0", wantWhole: "0 0 RANDOM port 0"},
		{name: "a subset's block replaces the service's", top: block("top") + budget, subset: only("subset"),
			want: "1 1 RANDOM subset 33", wantWhole: "1 1 ROUND_ROBIN top 33"},
		{name: "over a port's entry, too", top: block("top"), port: block("port"), subset: only("subset"),
			want: "2 2 RANDOM subset 0", wantWhole: "2 2 LEAST_REQUEST port 0"},
		{name: "a port's entry in a subset stands for the four blocks alone", top: block("top") + budget, subset: block("subset"), subsPort: only("subsetport"),
			want: "0 0 RANDOM subsetport 33", wantWhole: "1 1 ROUND_ROBIN top 33"},
		{name: "the mesh fills what the service leaves open", top: only("top"), mesh: "connectionPool: {tcp: {maxConnections: 5}}, outlierDetection: {interval: 5s}",
			want: "5 5 RANDOM top 0", wantWhole: "5 5 RANDOM top 0"},
		{name: "not what it says", top: block("top"), mesh: "connectionPool: {tcp: {maxConnections: 5}}",
			want: "1 1 ROUND_ROBIN top 0", wantWhole: "1 1 ROUND_ROBIN top 0"},
		{name: "what a port's entry leaves open, too", top: block("top"), port: only("port"), mesh: "connectionPool: {tcp: {maxConnections: 5}}",
			want: "5 0 RANDOM port 0", wantWhole: "5 0 RANDOM port 0"},
		{name: "not what a port's entry in a subset leaves open", mesh: "connectionPool: {tcp: {maxConnections: 5}}", subset: only("subset"), subsPort: only("subsetport"),
			want: "0 0 RANDOM subsetport 0", wantWhole: "5 0 UNSPECIFIED  0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			policy := func(own, port string) string {
				var parts []string
				if own != "" {
					parts = append(parts, own)
				}
				if port != "" {
					parts = append(parts, "portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}, {port: {number: 80}, "+port+"}]")
				}
				if len(parts) == 0 {
					return ""
				}
				return "trafficPolicy: {" + strings.Join(parts, ", ") + "}"
			}
			rule := "host: a\n" + policy(tt.top, tt.port) + "\nsubsets: [{name: sub"
			if s := policy(tt.subset, tt.subsPort); s != "" {
				rule += ", " + s
			}
			documents := services + destinationRule("a", rule+"}]") +
				virtualService("vs", "hosts: [a]\nhttp: [{route: [{destination: {host: a, subset: sub}, weight: 1}, {destination: {host: a}, weight: 1}]}]")
			if tt.mesh != "" {
				documents += "---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ndefaultTrafficPolicy: {" + tt.mesh + "}\n"
			}
			p := planOf(t, documents, plan.Client{})
			cluster := plan.Cluster{Host: "a.default.svc.cluster.local", Port: 80}
			require.Equal(t, tt.wantWhole, show(p.Clusters[cluster].Policy))
			cluster.Subset = "sub"
			require.Equal(t, tt.want, show(p.Clusters[cluster].Policy))
			require.Equal(t, "a", p.Clusters[cluster].Policy.Source)
		})
	}
}

// TestHashOfARoute shows that what a route hashes by is looked for apart from the
// policy of its cluster.
func TestHashOfARoute(t *testing.T) {
	hash := func(header string) string { return "loadBalancer: {consistentHash: {httpHeaderName: " + header + "}}" }
	port := func(own, of string) string {
		return "{" + own + "portLevelSettings: [{port: {number: 80}, " + hash(of) + "}]}"
	}
	for _, tt := range []struct {
		name, top, subset string
		destination       string
		want              string
	}{
		{"none", "{loadBalancer: {simple: RANDOM}}", "", "subset: sub", ""},
		{"the service's", "{" + hash("top") + "}", "", "subset: sub", "top"},
		{"the subset's", "{" + hash("top") + "}", "{" + hash("subset") + "}", "subset: sub", "subset"},
		{"not the subset's for the whole service", "{" + hash("top") + "}", "{" + hash("subset") + "}", "", "top"},
		{"through a subset that balances otherwise", "{" + hash("top") + "}", "{loadBalancer: {simple: RANDOM}}", "subset: sub", "top"},
		{"a port's entry where the destination names the port", port(hash("top")+", ", "port"), "", "port: {number: 80}", "port"},
		{"not where it does not", port(hash("top")+", ", "port"), "", "subset: sub", "top"},
		{"the subset before the port's entry", port("", "port"), "{" + hash("subset") + "}", "subset: sub, port: {number: 80}", "subset"},
		{"the subset's port before all", port(hash("top")+", ", "port"), port(hash("subset")+", ", "subsetport"), "subset: sub, port: {number: 80}", "subsetport"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := "host: a\ntrafficPolicy: " + tt.top + "\nsubsets: [{name: sub"
			if tt.subset != "" {
				rule += ", trafficPolicy: " + tt.subset
			}
			destination := "host: a"
			if tt.destination != "" {
				destination += ", " + tt.destination
			}
			p := planOf(t, services+destinationRule("a", rule+"}]")+
				virtualService("vs", "hosts: [a]\nhttp: [{route: [{destination: {"+destination+"}}]}]"), plan.Client{})
			require.Equal(t, tt.want, find(p.Ports[80], "a").Rules[0].Destinations[0].Hash.GetHttpHeaderName())
		})
	}

	p := planOf(t, services+destinationRule("a", "host: a\ntrafficPolicy: "+port(hash("top")+", ", "port")), plan.Client{})
	require.Equal(t, "port", find(p.Ports[80], "a").Rules[0].Destinations[0].Hash.GetHttpHeaderName(), "a service without rules is asked on its port")
}
