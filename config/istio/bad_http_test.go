package istio

import (
	"strings"
	"testing"
)

func TestBadHTTPRules(t *testing.T) {
	checkBad(t, []badDocument{
		{
			name: "a header name with a space",
			doc: rule(`    match:
    - headers:
        x user: {exact: a}
`),
			want: []string{
				`mesh.yaml:11: VirtualService shop/reviews: spec.http[0].match[0].headers[x user]: "x user" cannot be the name of a header`,
			},
		},
		{
			name: "a kind of match that does not exist",
			doc: rule(`    match:
    - uri: {suffix: .png}
`),
			want: []string{
				`mesh.yaml:10: VirtualService shop/reviews: spec.http[0].match[0].uri.suffix: there is no such field; there are exact, prefix and regex`,
			},
		},
		{
			name: "a space and a typing error in retryOn",
			doc: rule(`    retries: {attempts: 3, retryOn: "5xx, gateway-eror"}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].retries.retryOn: must hold no spaces (got "5xx, gateway-eror")`,
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].retries.retryOn: gateway-eror is no condition for a retry; did you mean gateway-error? (got "5xx, gateway-eror")`,
			},
		},
		{
			name: "a retry condition in capitals",
			doc: rule(`    retries: {attempts: 3, retryOn: 5XX}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].retries.retryOn: 5XX must be in small letters (got "5XX")`,
			},
		},
		{
			name: "retry settings without attempts",
			doc: rule(`    retries: {attempts: 0, perTryTimeout: 2s}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].retries.perTryTimeout: needs attempts of at least 1; with 0 or none there are no retries`,
			},
		},
		{
			name: "more than all requests",
			doc: rule(`    fault: {abort: {percentage: {value: 120}, httpStatus: 500}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].fault.abort.percentage.value: must be 0, or 0.0001 to 100 per cent (got 120)`,
			},
		},
		{
			name: "a percentage without its value",
			doc: rule(`    fault: {abort: {percentage: 50, httpStatus: 500}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].fault.abort.percentage: must be a mapping of fields, not a whole number`,
			},
		},
		{
			name: "a delay of nothing",
			doc: rule(`    fault: {delay: {percentage: {value: 50}}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].fault.delay: delays by nothing: it needs fixedDelay`,
			},
		},
		{
			name: "a gRPC status in small letters",
			doc: rule(`    fault: {abort: {grpcStatus: unavailable}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].fault.abort.grpcStatus: must be the name of a gRPC status, such as UNAVAILABLE (got "unavailable")`,
			},
		},
		{
			name: "a redirect beside a route",
			doc: rule(`    redirect: {uri: /x}
`),
			want: []string{
				`mesh.yaml:7: VirtualService shop/reviews: spec.http[0].route: cannot stand beside redirect, which answers the request`,
			},
		},
		{
			name: "a rewrite by a group that does not exist",
			doc: rule(`    rewrite: {uriRegexRewrite: {match: '/(a)', rewrite: '/\2'}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].rewrite.uriRegexRewrite.rewrite: \2 names a group that the expression does not have; it has 1 (got "/\\2")`,
			},
		},
		{
			name: "a lone per cent sign in a header's value",
			doc: rule(`    headers: {request: {set: {x-a: 50%}}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].headers.request.set[x-a]: ends in a lone %; write %% for a per cent sign (got "50%")`,
			},
		},
		{
			name: "a Host header in a response",
			doc: rule(`    headers: {response: {set: {Host: a}}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].headers.response.set[Host]: Host can only be set or added, and only in a request`,
			},
		},
		{
			name: "a destination with its port in the wrong places",
			doc:  strings.Replace(rule(""), "{host: reviews}", "{host: \"reviews:8080\", port: 8080}", 1),
			want: []string{
				`mesh.yaml:8: VirtualService shop/reviews: spec.http[0].route[0].destination.port: must be a mapping of fields, not a whole number`,
				`mesh.yaml:8: VirtualService shop/reviews: spec.http[0].route[0].destination.host: must be a bare host name; the port is a setting of its own (got "reviews:8080")`,
			},
		},
		{
			name: "a destination's port by name",
			doc:  strings.Replace(rule(""), "{host: reviews}", "{host: reviews, port: {name: http}}", 1),
			want: []string{
				`mesh.yaml:8: VirtualService shop/reviews: spec.http[0].route[0].destination.port.name: there is no such field; the only one is number`,
				`mesh.yaml:8: VirtualService shop/reviews: spec.http[0].route[0].destination.port.number: must be a port number from 1 to 65535 (got 0)`,
			},
		},
		{
			name: "a subset with a dot in its name",
			doc:  strings.Replace(rule(""), "{host: reviews}", "{host: reviews, subset: v1.2}", 1),
			want: []string{
				`mesh.yaml:8: VirtualService shop/reviews: spec.http[0].route[0].destination.subset: the name of a subset must be letters, digits and inner dashes, at most 63 (got "v1.2")`,
			},
		},
		{
			name: "a host with a scheme",
			doc:  strings.Replace(rule(""), "hosts: [reviews]", "hosts: [\"http://reviews\"]", 1),
			want: []string{
				`mesh.yaml:5: VirtualService shop/reviews: spec.hosts[0]: must be a bare host name, without a scheme (got "http://reviews")`,
			},
		},
		{
			name: "hosts that overlap",
			doc:  strings.Replace(rule(""), "hosts: [reviews]", "hosts: [a.com, \"*.com\"]", 1),
			want: []string{
				`mesh.yaml:5: VirtualService shop/reviews: spec.hosts[1]: overlaps with the host "a.com" of the same VirtualService (got "*.com")`,
			},
		},
		{
			name: "all hosts of the mesh",
			doc:  strings.Replace(rule(""), "hosts: [reviews]", "hosts: [\"*\"]", 1),
			want: []string{
				`mesh.yaml:5: VirtualService shop/reviews: spec.hosts[0]: a VirtualService for the mesh cannot be for all hosts; that is possible on gateways alone (got "*")`,
			},
		},
		{
			name: "host for hosts",
			doc: strings.Replace(rule(""), `  hosts: [reviews]
`, `  host: reviews
`, 1),
			want: []string{
				`mesh.yaml:5: VirtualService shop/reviews: spec.host: there is no such field; did you mean hosts?`,
			},
		},
		{
			name: "references to gateways that cannot be",
			doc: strings.Replace(rule(""), `  hosts: [reviews]
`, `  hosts: [reviews]
  gateways: [./gw, a/b/c]
`, 1),
			want: []string{
				`mesh.yaml:6: VirtualService shop/reviews: spec.gateways[0]: leave the ./ out: a bare name is of the VirtualService's own namespace (got "./gw")`,
				`mesh.yaml:6: VirtualService shop/reviews: spec.gateways[1]: the name behind the slash must be letters, digits and inner dashes (got "a/b/c")`,
			},
		},
		{
			name: "exports that repeat themselves",
			doc: strings.Replace(rule(""), `  hosts: [reviews]
`, `  hosts: [reviews]
  exportTo: [., shop, "*"]
`, 1),
			want: []string{
				`mesh.yaml:6: VirtualService shop/reviews: spec.exportTo[1]: is given twice; . is the object's own namespace, shop (got "shop")`,
				`mesh.yaml:6: VirtualService shop/reviews: spec.exportTo: * cannot stand beside other entries`,
			},
		},
		{
			name: "several destinations without weights",
			doc: strings.Replace(rule(""), `    - destination: {host: reviews}
`, `    - destination: {host: a}
    - destination: {host: b}
`, 1),
			want: []string{
				`mesh.yaml:7: VirtualService shop/reviews: spec.http[0].route: all weights are 0, so no destination gets anything`,
			},
		},
		{
			name: "CORS settings that browsers do not know",
			doc: rule(`    corsPolicy: {allowMethods: [get], maxAge: 1500ms, allowOrigins: [{}, "*"]}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].corsPolicy.allowOrigins[1]: must be a mapping of fields, not a string`,
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].corsPolicy.allowOrigins[0]: is empty: it needs exact, prefix or regex with a value`,
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].corsPolicy.allowMethods[0]: must be one of GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS, TRACE or * (got "get")`,
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].corsPolicy.maxAge: must be whole seconds: browsers are told no other (got 1.5s)`,
			},
		},
		{
			name: "a mirror to all hosts",
			doc: rule(`    mirror: {host: "*"}
    mirrorPercentage: 10
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].mirror.host: a destination is one service, not all hosts (got "*")`,
				`mesh.yaml:10: VirtualService shop/reviews: spec.http[0].mirrorPercentage: must be a mapping of fields, not a whole number`,
			},
		},
	})
}
