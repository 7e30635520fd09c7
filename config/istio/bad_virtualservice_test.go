package istio

import (
	"testing"
)

func TestBadVirtualServices(t *testing.T) {
	checkBad(t, []badDocument{
		{
			name: "a misspelt field",
			doc: rule(`    timeuot: 3s
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].timeuot: there is no such field; did you mean timeout?`,
			},
		},
		{
			name: "snake case where YAML has camel case",
			doc: rule(`    cors_policy: {}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].cors_policy: there is no such field; did you mean corsPolicy?`,
			},
		},
		{
			name: "a weight in quotes",
			doc: rule(`      weight: "90"
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].route[0].weight: must be a number without quotes (got "90")`,
			},
		},
		{
			name: "a weight with a fraction",
			doc: rule(`      weight: 90.5
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].route[0].weight: must be a whole number (got 90.5)`,
			},
		},
		{
			name: "a weight beyond all numbers",
			doc: rule(`      weight: 1e2147483648
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].route[0].weight: must be a whole number (got "1e2147483648")`,
			},
		},
		{
			name: "a negative weight",
			doc: rule(`      weight: -1
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].route[0].weight: must not be negative (got -1)`,
			},
		},
		{
			name: "a field given twice",
			doc: rule(`    timeout: 3s
    timeout: 4s
`),
			want: []string{
				`mesh.yaml:10: VirtualService shop/reviews: spec.http[0].timeout: the key "timeout" is given twice, first in line 9; only one of them would count`,
			},
		},
		{
			name: "a duration without a unit",
			doc: rule(`    timeout: 3
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].timeout: a duration needs a unit: 3s, or 3ms (got 3)`,
			},
		},
		{
			name: "a timeout of zero",
			doc: rule(`    timeout: 0s
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].timeout: must be at least 1ms; to have none, leave the field out (got 0s)`,
			},
		},
		{
			name: "a timeout between milliseconds",
			doc: rule(`    timeout: 1.5ms
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].timeout: must be whole milliseconds (got 1.5ms)`,
			},
		},
		{
			name: "a duration in words",
			doc: rule(`    timeout: three seconds
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].timeout: is no duration: write it like 10s, 250ms or 1m30s (units h, m, s, ms, us, ns) (got "three seconds")`,
			},
		},
		{
			name: "a block without content",
			doc: rule(`    retries:
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].retries: is empty (null): leave it out, or write {} for one without fields`,
			},
		},
		{
			name: "a list where fields belong",
			doc: rule(`    retries: [3]
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].retries: must be a mapping of fields, not a list`,
			},
		},
		{
			name: "fields where a list belongs",
			doc: rule(`    match: {uri: {prefix: /}}
`),
			want: []string{
				`mesh.yaml:9: VirtualService shop/reviews: spec.http[0].match: must be a list, not a mapping`,
			},
		},
		{
			name: "two kinds of one match",
			doc: rule(`    match:
    - uri: {prefix: /a, exact: /b}
`),
			want: []string{
				`mesh.yaml:10: VirtualService shop/reviews: spec.http[0].match[0].uri.exact: cannot stand beside prefix: only one of exact, prefix and regex may be given`,
			},
		},
		{
			name: "a regular expression with a lookahead",
			doc: rule(`    match:
    - uri: {regex: '(?=a)'}
`),
			want: []string{
				`mesh.yaml:10: VirtualService shop/reviews: spec.http[0].match[0].uri.regex: is no regular expression of RE2: invalid or unsupported Perl syntax: (?= (got "(?=a)")`,
			},
		},
		{
			name: "a star taken for a regular expression",
			doc: rule(`    match:
    - headers: {x-user: {regex: '*'}}
`),
			want: []string{
				`mesh.yaml:10: VirtualService shop/reviews: spec.http[0].match[0].headers[x-user].regex: is no regular expression; any value is .*, and {} is whatever is present (got "*")`,
			},
		},
		{
			name: "a number taken for a header's value",
			doc: rule(`    match:
    - headers:
        version: {exact: 2}
`),
			want: []string{
				`mesh.yaml:11: VirtualService shop/reviews: spec.http[0].match[0].headers[version].exact: must be a string, and YAML reads 2 as a whole number: put it in quotes`,
			},
		},
		{
			name: "a yes that YAML takes for true",
			doc: rule(`    match:
    - headers:
        debug: {exact: yes}
`),
			want: []string{
				`mesh.yaml:11: VirtualService shop/reviews: spec.http[0].match[0].headers[debug].exact: must be a string, and YAML reads yes as a boolean: put it in quotes`,
			},
		},
	})
}
