package istio

import (
	"strings"
	"testing"
)

func TestBadObjects(t *testing.T) {
	checkBad(t, []badDocument{
		{
			name: "a misspelt kind",
			doc:  strings.Replace(rule(""), "VirtualService", "VirtualServise", 1),
			want: []string{
				`mesh.yaml:1: VirtualServise shop/reviews: kind: there is no such kind in networking.istio.io; did you mean VirtualService?`,
			},
		},
		{
			name: "a version that does not exist",
			doc:  strings.Replace(rule(""), "/v1", "/v2", 1),
			want: []string{
				`mesh.yaml:1: VirtualService shop/reviews: apiVersion: there is no version v2 of this kind; there are v1, v1beta1 and v1alpha3`,
			},
		},
		{
			name: "a kind without its group",
			doc:  strings.Replace(rule(""), "networking.istio.io/v1", "v1", 1),
			want: []string{
				`mesh.yaml:1: VirtualService shop/reviews: apiVersion: this kind is of the group networking.istio.io; write networking.istio.io/v1`,
			},
		},
		{
			name: "a misspelt field of metadata",
			doc:  strings.Replace(rule(""), "namespace", "namspace", 1),
			want: []string{
				`mesh.yaml:3: VirtualService default/reviews: metadata.namspace: there is no such field; did you mean namespace?`,
			},
		},
		{
			name: "settings beside the spec",
			doc: `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
hosts: [a]
`,
			want: []string{
				`mesh.yaml:1: VirtualService default/reviews: spec.http: is missing: a VirtualService needs http, tls or tcp routes`,
				`mesh.yaml:4: VirtualService default/reviews: hosts: there is no such field at the top of an object; the settings stand under spec`,
			},
		},
		{
			name: "a list of endpoints where there can be none, even if it is empty",
			doc:  "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec:\n  hosts: [a.com]\n  endpoints: []\n",
			want: []string{
				`mesh.yaml:6: ServiceEntry default/a: spec.endpoints: cannot be given with the resolution NONE, which sends to the address that was asked for; write STATIC or DNS`,
			},
		},
		{
			name: "ports of a socket in the file system, even if there are none",
			doc:  "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: a}\nspec:\n  address: unix:///a\n  ports: {}\n",
			want: []string{`mesh.yaml:6: WorkloadEntry default/a: spec.ports: cannot be given for a unix socket`},
		},
		{
			name: "a redirect to the port that goes without saying",
			doc:  strings.Replace(rule(""), "  - route:\n    - destination: {host: reviews}\n", "  - redirect:\n      port: 80\n", 1),
			want: []string{`mesh.yaml:7: VirtualService shop/reviews: spec.http[0].redirect: sends callers back to where they are: of ports this one goes without saying`},
		},
		{
			name: "a tab for indentation",
			doc: `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
	name: a
`,
			want: []string{
				`mesh.yaml:4: is no valid YAML: found character that cannot start any token (a tab cannot indent; use spaces)`,
			},
		},
		{
			name: "a list for an object",
			doc: `- a
- b
`,
			want: []string{
				`mesh.yaml:1: is a list, where an object with apiVersion and kind belongs`,
			},
		},
		{
			name: "no kind",
			doc: `apiVersion: v1
metadata: {name: a}
`,
			want: []string{
				`mesh.yaml:1: object default/a: kind: is missing`,
			},
		},
		{
			name: "a kind that cannot be carried out",
			doc: `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: a}
spec: {}
`,
			want: []string{
				`mesh.yaml:1: EnvoyFilter default/a: changes a proxy in ways that this library cannot carry out; a local rate limit can be written as a RateLimit of mesh.sidecarless.dev`,
			},
		},
		{
			name: "mesh settings out of range and misspelt",
			doc: `apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
connectTimeout: 60s
trustDomian: a
dnsRefreshRate: 1ms
`,
			want: []string{
				`mesh.yaml:3: MeshConfig: connectTimeout: must be 1ms to 30s (got 1m0s)`,
				`mesh.yaml:4: MeshConfig: trustDomian: there is no such field; did you mean trustDomain?`,
				`mesh.yaml:5: MeshConfig: dnsRefreshRate: must be more than 1ms (got 1ms)`,
			},
		},
		{
			name: "an alias of nothing",
			doc: rule(`    timeout: *x
`),
			want: []string{
				`mesh.yaml:1: is no valid YAML: unknown anchor 'x' referenced`,
			},
		},
		{
			name: "a service entry with three mistakes",
			doc: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTPP}]
  endpoints: [{address: a.example.com}, {address: 10.0.0.1, ports: {web: 80}}]
`,
			want: []string{
				`mesh.yaml:7: ServiceEntry default/a: spec.ports[0].protocol: must be HTTP, HTTP2, HTTPS, GRPC, GRPC-WEB, TCP, TLS, MONGO, REDIS, MYSQL or UDP (got "HTTPP")`,
				`mesh.yaml:8: ServiceEntry default/a: spec.endpoints[0].address: must be an IP address or unix:///path; for a DNS name the resolution must be DNS (got "a.example.com")`,
				`mesh.yaml:8: ServiceEntry default/a: spec.endpoints[1].ports[web]: the ServiceEntry has no port of this name`,
			},
		},
		{
			name: "an authorization policy with five mistakes",
			doc: `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a}
spec:
  action: DENY
  rules:
  - from: [{source: {}}]
    to: [{operation: {ports: [80], paths: ['{**}', '/a/{x}']}}]
    when: [{key: request.header, values: [a]}]
`,
			want: []string{
				`mesh.yaml:7: AuthorizationPolicy default/a: spec.rules[0].from[0].source: is empty: it would match nobody or everybody; name at least one condition`,
				`mesh.yaml:8: AuthorizationPolicy default/a: spec.rules[0].to[0].operation.ports[0]: must be a string, and YAML reads 80 as a whole number: put it in quotes`,
				`mesh.yaml:8: AuthorizationPolicy default/a: spec.rules[0].to[0].operation.paths[0]: a path template must begin with a slash (got "{**}")`,
				`mesh.yaml:8: AuthorizationPolicy default/a: spec.rules[0].to[0].operation.paths[1]: braces can stand for a whole segment only, as {*} or {**} (got "/a/{x}")`,
				`mesh.yaml:9: AuthorizationPolicy default/a: spec.rules[0].when[0].key: is no condition; did you mean request.headers[name]? (got "request.header")`,
			},
		},
		{
			name: "a gateway with four mistakes",
			doc: `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: a.b}
spec:
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [reviews, "*x.com"]
`,
			want: []string{
				`mesh.yaml:3: Gateway default/a.b: metadata.name: the name of a Gateway must be letters, digits and inner dashes, without dots (got "a.b")`,
				`mesh.yaml:6: Gateway default/a.b: spec.servers[0].tls: is missing: the protocol HTTPS needs it`,
				`mesh.yaml:7: Gateway default/a.b: spec.servers[0].hosts[0]: must be a full name, with dots (got "reviews")`,
				`mesh.yaml:7: Gateway default/a.b: spec.servers[0].hosts[1]: a wildcard must stand for whole labels: *.x.com (got "*x.com")`,
			},
		},
		{
			name: "a peer authentication with a mode in small letters and a port by name",
			doc: `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a}
spec:
  mtls: {mode: strict}
  portLevelMtls: {http: {mode: DISABLE}}
`,
			want: []string{
				`mesh.yaml:5: PeerAuthentication default/a: spec.mtls.mode: must be one of UNSET, DISABLE, PERMISSIVE or STRICT; did you mean STRICT? (got "strict")`,
				`mesh.yaml:6: PeerAuthentication default/a: spec.portLevelMtls[http]: the key must be a whole number`,
			},
		},
	})
}
