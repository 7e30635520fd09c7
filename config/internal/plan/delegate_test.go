package plan_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

// TestMatchesOfADelegate tells which match of a delegate lies within one of the
// root, and what is made of the two.
func TestMatchesOfADelegate(t *testing.T) {
	for _, tt := range []struct {
		name, root, delegate string
		want                 string // empty: they do not go together
	}{
		{"none of the root's", "", "{uri: {prefix: /a}}", `uri:{prefix:"/a"}`},
		{"none of the delegate's", "{uri: {prefix: /a}}", "", `uri:{prefix:"/a"}`},
		{"a longer prefix", "{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}", `uri:{prefix:"/a/b"}`},
		{"the same prefix", "{uri: {prefix: /a}}", "{uri: {prefix: /a}}", `uri:{prefix:"/a"}`},
		{"an exact value in a prefix", "{uri: {prefix: /a}}", "{uri: {exact: /a/b}}", `uri:{exact:"/a/b"}`},
		{"another prefix", "{uri: {prefix: /a}}", "{uri: {prefix: /b}}", ""},
		{"a shorter prefix", "{uri: {prefix: /a/b}}", "{uri: {prefix: /a}}", ""},
		{"the same exact value", "{uri: {exact: /a}}", "{uri: {exact: /a}}", `uri:{exact:"/a"}`},
		{"another exact value", "{uri: {exact: /a}}", "{uri: {exact: /b}}", ""},
		{"a prefix in an exact value", "{uri: {exact: /a}}", "{uri: {prefix: /a}}", ""},
		{"a regex in a prefix", "{uri: {prefix: /a}}", "{uri: {regex: /a/.*}}", ""},
		{"a prefix in a regex", "{uri: {regex: /a/.*}}", "{uri: {prefix: /a/b}}", ""},
		{"equal regexes", "{uri: {regex: /a/.*}}", "{uri: {regex: /a/.*}}", ""},
		{"a regex beside nothing", "{uri: {regex: /a/.*}}", "{method: {exact: GET}}", `uri:{regex:"/a/.*"} method:{exact:"GET"}`},
		{"headers are united", "{headers: {x: {exact: '1'}}}", "{headers: {z: {exact: '2'}}}",
			`headers:{key:"x" value:{exact:"1"}} headers:{key:"z" value:{exact:"2"}}`},
		{"one header in another", "{headers: {x: {prefix: a}}}", "{headers: {x: {exact: ab}}}", `headers:{key:"x" value:{exact:"ab"}}`},
		{"headers that differ", "{headers: {x: {exact: a}}}", "{headers: {x: {exact: b}}}", ""},
		{"presence in a value", "{headers: {x: {exact: a}}}", "{headers: {x: {}}}", ""},
		{"a value in presence", "{headers: {x: {}}}", "{headers: {x: {exact: a}}}", ""},
		{"presence twice", "{headers: {x: {}}}", "{headers: {x: {}}}", ""},
		{"presence beside nothing", "{headers: {x: {}}}", "{uri: {prefix: /a}}", `uri:{prefix:"/a"} headers:{key:"x" value:{}}`},
		{"absence that differs", "{withoutHeaders: {x: {exact: a}}}", "{withoutHeaders: {x: {exact: b}}}", ""},
		{"absence beside a header", "{headers: {x: {exact: a}}}", "{withoutHeaders: {x: {exact: b}}}",
			`headers:{key:"x" value:{exact:"a"}} without_headers:{key:"x" value:{exact:"b"}}`},
		{"queries that differ", "{queryParams: {q: {exact: a}}}", "{queryParams: {q: {exact: b}}}", ""},
		{"methods that differ", "{method: {exact: GET}}", "{method: {exact: PUT}}", ""},
		{"schemes that differ", "{scheme: {exact: http}}", "{scheme: {exact: https}}", ""},
		{"hosts that differ", "{authority: {exact: a}}", "{authority: {exact: b}}", ""},
		{"the case of one", "{uri: {prefix: /a}, ignoreUriCase: true}", "{uri: {prefix: /a/b}}", ""},
		{"the case of both", "{uri: {prefix: /a}, ignoreUriCase: true}", "{uri: {prefix: /a/b}, ignoreUriCase: true}", `uri:{prefix:"/a/b"} ignore_uri_case:true`},
		{"a port of one", "{port: 80}", "{uri: {prefix: /a}}", `uri:{prefix:"/a"} port:80`},
		{"the same port", "{port: 80}", "{port: 80}", "port:80"},
		{"ports that differ", "{port: 81}", "{port: 80}", ""},
		{"a namespace of the root alone", "{sourceNamespace: default}", "{uri: {prefix: /a}}", ""},
		{"a namespace of both", "{sourceNamespace: default}", "{sourceNamespace: default}", `source_namespace:"default"`},
		{"a namespace of the delegate alone", "{uri: {prefix: /a}}", "{sourceNamespace: default}", `uri:{prefix:"/a"} source_namespace:"default"`},
		{"labels are united", "{sourceLabels: {app: web}}", "{sourceLabels: {version: v1}}",
			`source_labels:{key:"app" value:"web"} source_labels:{key:"version" value:"v1"}`},
		{"labels that differ", "{sourceLabels: {app: web}}", "{sourceLabels: {app: job}}", ""},
		{"gateways of the root", "{gateways: [mesh]}", "{uri: {prefix: /a}}", `uri:{prefix:"/a"} gateways:"mesh"`},
		{"gateways of the delegate", "{uri: {prefix: /a}}", "{gateways: [mesh]}", `uri:{prefix:"/a"} gateways:"mesh"`},
		{"gateways among the root's", "{gateways: [mesh, gw]}", "{gateways: [mesh]}", `gateways:"mesh"`},
		{"gateways that differ", "{gateways: [gw]}", "{gateways: [mesh]}", ""},
		{"names are joined", "{name: r, uri: {prefix: /a}}", "{name: d}", `name:"r-d" uri:{prefix:"/a"}`},
		{"a name of one", "{uri: {prefix: /a}}", "{name: d}", `name:"d" uri:{prefix:"/a"}`},
		{"each of the delegate's with each of the root's", "{uri: {prefix: /a}}, {method: {exact: GET}}", "{headers: {x: {}}}, {headers: {z: {}}}",
			`uri:{prefix:"/a"} headers:{key:"x" value:{}}; method:{exact:"GET"} headers:{key:"x" value:{}}; ` +
				`uri:{prefix:"/a"} headers:{key:"z" value:{}}; method:{exact:"GET"} headers:{key:"z" value:{}}`},
		{"those of the root that do not go with it are left out", "{uri: {prefix: /a}}, {uri: {prefix: /b}}", "{uri: {prefix: /b/c}}", `uri:{prefix:"/b/c"}`},
		{"one that goes with none spoils the rule", "{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}, {uri: {prefix: /c}}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, services+
				virtualService("root", "hosts: [a]\nhttp:\n- {match: ["+tt.root+"], delegate: {name: inner}}\n- {name: rest, route: [{destination: {host: a}}]}")+
				virtualService("inner", "http: [{match: ["+tt.delegate+"], route: [{destination: {host: b}}]}]"),
				plan.Client{Namespace: "default", Labels: map[string]string{"app": "web", "version": "v1"}})
			got := ""
			for _, r := range find(p.Ports[80], "a").Rules {
				if r.Name != "rest" {
					if got != "" {
						got += "; "
					}
					got += fmt.Sprint(prototext(r.Match))
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestWhatADelegateTakesFromTheRoot(t *testing.T) {
	root := `hosts: [a]
http:
- name: outer
  match: [{uri: {prefix: /b}}]
  delegate: {name: inner, namespace: other}
  timeout: 3s
  retries: {attempts: 7}
  rewrite: {uri: /outer}
  fault: {abort: {httpStatus: 500, percentage: {value: 1}}}
  headers: {request: {set: {x: outer}}}
  mirror: {host: b}
  mirrorPercentage: {value: 5}
`
	p := planOf(t, services+virtualService("root", root)+virtualService("other/inner", `http:
- name: one
  route: [{destination: {host: far}}]
- name: two
  route: [{destination: {host: far}}]
  timeout: 1s
  headers: {response: {set: {z: inner}}}
  mirror: {host: far}`), plan.Client{})
	rules := find(p.Ports[80], "a").Rules
	require.Len(t, rules, 2)
	one, two := rules[0], rules[1]
	require.Equal(t, "outer-one", one.Name)
	require.Equal(t, "far.other", destinationsOf(one), "hosts of the delegate are meant in its namespace")
	require.Equal(t, "b.default.svc.cluster.local", one.Mirrors[0].Cluster.Host, "those of the root in the root's")
	require.Equal(t, 5.0, one.Mirrors[0].Percent)
	require.Equal(t, "3s", one.Route.Timeout.AsDuration().String())
	require.EqualValues(t, 7, one.Route.Retries.Attempts)
	require.Equal(t, "/outer", one.Route.Rewrite.Uri)
	require.EqualValues(t, 500, one.Route.Fault.Abort.GetHttpStatus())
	require.Equal(t, "outer", one.Route.Headers.Request.Set["x"])

	require.Equal(t, "outer-two", two.Name)
	require.Equal(t, "1s", two.Route.Timeout.AsDuration().String())
	require.Nil(t, two.Route.Headers.Request, "a block is taken whole")
	require.Equal(t, "inner", two.Route.Headers.Response.Set["z"])
	require.Equal(t, "far.other.svc.cluster.local", two.Mirrors[0].Cluster.Host)
}

func TestDelegatesThatDoNotCount(t *testing.T) {
	root := virtualService("root", `hosts: [a]
http:
- {match: [{uri: {prefix: /b}}], delegate: {name: inner, namespace: other}}
- {name: rest, route: [{destination: {host: a}}]}`)
	for _, tt := range []struct {
		name, inner string
		want        []string
	}{
		{"one that is not there", "", []string{"rest > a"}},
		{"one that has hosts", virtualService("other/inner", "hosts: [x.example.com]\n"+toHost("far")), []string{"rest > a"}},
		{"one that is private", virtualService("other/inner", "exportTo: ['.']\n"+toHost("far")), []string{"rest > a"}},
		{"one that is exported to the root's namespace does", virtualService("other/inner", "exportTo: [default]\n"+toHost("far")), []string{" > far.other", "rest > a"}},
		{"one of another namespace", virtualService("inner", toHost("b")), []string{"rest > a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, rulesFor(planOf(t, services+root+tt.inner, plan.Client{}), 80, "a"))
		})
	}
}
