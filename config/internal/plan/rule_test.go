package plan_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

// rulesFor are the rules for host a on a port, each as its name, match and
// destinations.
func rulesFor(p *plan.Plan, port uint32, host string) []string {
	var all []string
	vh := find(p.Ports[port], host)
	if vh == nil {
		return nil
	}
	for _, r := range vh.Rules {
		all = append(all, r.Name+" > "+destinationsOf(r))
	}
	return all
}

func TestRulesForAClient(t *testing.T) {
	client := plan.Client{Namespace: "default", Labels: map[string]string{"app": "web", "version": "v1"}}
	for _, tt := range []struct {
		name string
		http string
		port uint32
		want []string
	}{
		{"each match is a rule, in order", `
- name: first
  match: [{name: m1, uri: {prefix: /1}}, {uri: {prefix: /2}}]
  route: [{destination: {host: b}}]
- route: [{destination: {host: a}}]`, 80, []string{"first.m1 > b", "first > b", " > a"}},
		{"what stands behind a rule for all is cut off", `
- {name: all, route: [{destination: {host: b}}]}
- {name: never, route: [{destination: {host: a}}]}`, 80, []string{"all > b"}},
		{"prefix / takes all", `
- {name: all, match: [{uri: {prefix: /}}, {uri: {prefix: /x}}], route: [{destination: {host: b}}]}
- {name: never, route: [{destination: {host: a}}]}`, 80, []string{"all > b"}},
		{"so does an empty match", `
- {name: all, match: [{}], route: [{destination: {host: b}}]}
- {name: never, route: [{destination: {host: a}}]}`, 80, []string{"all > b"}},
		{"and the regex .*", `
- {name: all, match: [{uri: {regex: .*}}], route: [{destination: {host: b}}]}
- {name: never, route: [{destination: {host: a}}]}`, 80, []string{"all > b"}},
		{"other things that match everything do not count as that", `
- {match: [{uri: {prefix: ''}}, {uri: {prefix: /}, headers: {x: {}}}, {uri: {prefix: /}, queryParams: {q: {}}}], route: [{destination: {host: b}}]}
- {match: [{uri: {prefix: /}, method: {prefix: G}}, {uri: {prefix: /}, withoutHeaders: {x: {}}}], route: [{destination: {host: b}}]}
- {name: last, route: [{destination: {host: a}}]}`, 80, []string{" > b", " > b", " > b", " > b", " > b", "last > a"}},
		{"a port picks", `
- {name: other, match: [{port: 8080}], route: [{destination: {host: b}}]}
- {name: this, match: [{port: 80}], route: [{destination: {host: b}}]}
- {name: rest, route: [{destination: {host: a}}]}`, 80, []string{"this > b"}},
		{"labels of the client pick", `
- {name: other, match: [{sourceLabels: {app: web, version: v2}}, {sourceLabels: {zone: x}}], route: [{destination: {host: b}}]}
- {name: this, match: [{uri: {prefix: /x}, sourceLabels: {app: web}}], route: [{destination: {host: b}}]}
- {name: rest, route: [{destination: {host: a}}]}`, 80, []string{"this > b", "rest > a"}},
		{"its namespace picks", `
- {name: other, match: [{uri: {prefix: /x}, sourceNamespace: other}], route: [{destination: {host: b}}]}
- {name: this, match: [{uri: {prefix: /x}, sourceNamespace: default}], route: [{destination: {host: b}}]}
- {name: rest, route: [{destination: {host: a}}]}`, 80, []string{"this > b", "rest > a"}},
		{"gateways of a match stand for its labels and namespace", `
- {name: other, match: [{uri: {prefix: /x}, gateways: [gw]}], route: [{destination: {host: b}}]}
- {name: this, match: [{uri: {prefix: /x}, gateways: [mesh], sourceLabels: {app: none}, sourceNamespace: other}], route: [{destination: {host: b}}]}
- {name: rest, route: [{destination: {host: a}}]}`, 80, []string{"this > b", "rest > a"}},
		{"a single destination gets all", `
- {route: [{destination: {host: b}, weight: 0}]}`, 80, []string{" > b"}},
		{"among several, one without weight gets nothing", `
- {route: [{destination: {host: b}, weight: 90}, {destination: {host: a}}, {destination: {host: far.other.svc.cluster.local}, weight: 30}]}`, 80,
			[]string{" > b=90 far.other=30"}},
		{"a destination is asked on the port that it says, or the one asked for", `
- {name: one, match: [{uri: {prefix: /1}}], route: [{destination: {host: b, port: {number: 9000}}}]}
- {name: two, match: [{uri: {prefix: /2}}], route: [{destination: {host: b}}]}
- {name: three, route: [{destination: {host: only}}]}`, 80, []string{"one > b:9000", "two > b", "three > only"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, services+serviceEntry("only.default.svc.cluster.local", "resolution: STATIC\nports: [{number: 9000, name: http, protocol: HTTP}]")+
				virtualService("vs", "hosts: [a]\nhttp:"+tt.http), client)
			require.Equal(t, tt.want, rulesFor(p, tt.port, "a"))
		})
	}
}

func TestMirrors(t *testing.T) {
	for _, tt := range []struct{ name, fields, want string }{
		{"a share that is not given is all", "mirror: {host: b}", "[b.default.svc.cluster.local 100]"},
		{"a share", "mirror: {host: b}, mirrorPercentage: {value: 12.5}", "[b.default.svc.cluster.local 12.5]"},
		{"the old field", "mirror: {host: b}, mirrorPercent: 30", "[b.default.svc.cluster.local 30]"},
		{"the new field comes first", "mirror: {host: b}, mirrorPercent: 30, mirrorPercentage: {value: 40}", "[b.default.svc.cluster.local 40]"},
		{"none at all", "mirror: {host: b}, mirrorPercentage: {value: 0}", "[]"},
		{"several", "mirrors: [{destination: {host: b}, percentage: {value: 1}}, {destination: {host: far.other.svc.cluster.local}}, {destination: {host: a}, percentage: {value: 0}}]",
			"[b.default.svc.cluster.local 1 far.other.svc.cluster.local 100]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, services+virtualService("vs", "hosts: [a]\nhttp: [{route: [{destination: {host: a}}], "+tt.fields+"}]"), plan.Client{})
			got := []any{}
			for _, m := range find(p.Ports[80], "a").Rules[0].Mirrors {
				got = append(got, m.Cluster.Host, m.Percent)
			}
			require.Equal(t, tt.want, fmt.Sprint(got))
		})
	}
}

func TestClustersThatDoNotExist(t *testing.T) {
	p := planOf(t, services+destinationRule("a", "host: a\nsubsets: [{name: v1, labels: {version: v1}}]")+virtualService("vs", `hosts: [a]
http:
- {match: [{uri: {prefix: /1}}], route: [{destination: {host: a, subset: v1}}]}
- {match: [{uri: {prefix: /2}}], route: [{destination: {host: a, subset: v2}}]}
- {match: [{uri: {prefix: /3}}], route: [{destination: {host: nobody}}]}
- {match: [{uri: {prefix: /4}}], route: [{destination: {host: a, port: {number: 81}}}]}`), plan.Client{})
	a := "a.default.svc.cluster.local"
	require.Contains(t, p.Clusters, plan.Cluster{Host: a, Port: 80, Subset: "v1"})
	require.NotContains(t, p.Clusters, plan.Cluster{Host: a, Port: 80, Subset: "v2"})
	require.NotContains(t, p.Clusters, plan.Cluster{Host: a, Port: 81})
	require.Len(t, find(p.Ports[80], "a").Rules, 4, "rules stay that lead nowhere")
	require.Equal(t, "outbound|80|v1|"+a, plan.Cluster{Host: a, Port: 80, Subset: "v1"}.String())
}

func TestDestinationsAreTakenAsWritten(t *testing.T) {
	p := planOf(t, services+virtualService("vs", "hosts: [A]\n"+toHost("B")), plan.Client{})
	require.Equal(t, "B", to(p, 80, "a"), "hosts of a VirtualService are in small letters, destinations are not")
	require.NotContains(t, p.Clusters, plan.Cluster{Host: "b.default.svc.cluster.local"})
}
