package analyze

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/costtest"
)

// found are the findings with our own codes, as "line CODE message".
func found(t *testing.T, docs ...string) []string {
	t.Helper()
	c, err := istio.Parse("mesh.yaml", strings.NewReader(strings.Join(docs, "---\n")))
	require.NoError(t, err)
	var all []string
	for _, f := range Config(c) {
		if strings.HasPrefix(f.Code, "MESH01") {
			all = append(all, fmt.Sprintf("%d %s %s", f.Line, f.Code, f.Message))
			require.NotEmpty(t, f.Advice)
		}
	}
	return all
}

// rules is a VirtualService whose first rule begins in line 7.
func rules(lines string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: shop}\nspec:\n  hosts: [a]\n  http:\n" + lines
}

const to = "    route: [{destination: {host: a}}]\n"

// rule is a DestinationRule that goes on from line 6.
func rule(lines string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: shop}\nspec:\n  host: a\n" + lines
}

// service is a ServiceEntry with endpoints of these versions.
func service(versions ...string) string {
	doc := "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: shop}\nspec:\n  hosts: [a.shop.svc.cluster.local]\n  resolution: STATIC\n" +
		"  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints:\n"
	for i, v := range versions {
		doc += fmt.Sprintf("  - {address: 10.0.0.%d, labels: {version: %s}}\n", i+1, v)
	}
	return doc
}

func TestHiddenRules(t *testing.T) {
	for _, tc := range []struct{ name, first, second, hidden string }{
		{"an exact path behind its prefix", "{uri: {prefix: /api}}", "{uri: {exact: /api/v1}}", "yes"},
		{"a prefix behind an exact path", "{uri: {exact: /api}}", "{uri: {prefix: /api}}", ""},
		{"anything behind the prefix /", "{uri: {prefix: /}}", "{headers: {x: {exact: a}}}", "yes"},
		{"anything behind an empty match", "{}", "{uri: {exact: /a}}", "yes"},
		{"an exact path that a regex takes", "{uri: {regex: '/api/v[0-9]+'}}", "{uri: {exact: /api/v1}}", "yes"},
		{"an exact path that a regex takes in part", "{uri: {regex: '/api/v[0-9]'}}", "{uri: {exact: /api/v12}}", ""},
		{"a prefix behind a regex of the same", "{uri: {regex: '/api/.*'}}", "{uri: {prefix: /api/v1}}", "yes"},
		{"a regex behind its literal prefix", "{uri: {prefix: /api/}}", "{uri: {regex: '/api/v[0-9]+'}}", "yes"},
		{"a regex with alternatives behind a prefix", "{uri: {prefix: /api/}}", "{uri: {regex: '/api/a|/b'}}", ""},
		{"one header more behind fewer", "{uri: {prefix: /a}, headers: {x: {exact: a}}}", "{uri: {prefix: /a/b}, headers: {X: {exact: a}, y: {}}}", "yes"},
		{"one header fewer behind more", "{uri: {prefix: /a}, headers: {x: {exact: a}}}", "{uri: {prefix: /a/b}}", ""},
		{"a value behind its presence", "{headers: {x: {}}}", "{headers: {x: {prefix: b}}}", "yes"},
		{"another method", "{uri: {prefix: /a}, method: {exact: GET}}", "{uri: {prefix: /a/b}, method: {exact: POST}}", ""},
		{"any case behind one", "{uri: {prefix: /a}}", "{uri: {exact: /a/b}, ignoreUriCase: true}", ""},
		{"one case behind any", "{uri: {prefix: /A}, ignoreUriCase: true}", "{uri: {exact: /a/b}}", "yes"},
		{"labels of the client behind none", "{uri: {prefix: /a}}", "{uri: {exact: /a/b}, sourceLabels: {app: x}}", "yes"},
		{"no labels of the client behind some", "{uri: {prefix: /a}, sourceLabels: {app: x}}", "{uri: {exact: /a/b}}", ""},
		{"without a header behind with or without", "{uri: {prefix: /a}}", "{uri: {exact: /a}, withoutHeaders: {x: {}}}", "yes"},
		{"with or without a header behind without", "{uri: {prefix: /a}, withoutHeaders: {x: {}}}", "{uri: {exact: /a}}", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := found(t, rules("  - match: ["+tc.first+"]\n"+to+"  - match: ["+tc.second+"]\n"+to))
			if tc.hidden == "" {
				require.Empty(t, all)
				return
			}
			require.Equal(t, []string{"9 MESH0101 rule #1 is never reached: rule #0 before it takes every request that it would"}, all)
		})
	}
}

func TestARuleIsHiddenByTwoTogether(t *testing.T) {
	require.Equal(t, []string{`11 MESH0101 rule "both" is never reached: rule #1 before it takes every request that it would`}, found(t, rules(
		"  - match: [{uri: {prefix: /a}}]\n"+to+"  - match: [{uri: {prefix: /b}}]\n"+to+
			"  - name: both\n    match: [{uri: {exact: /a/x}}, {uri: {exact: /b/x}}]\n"+to)))
}

func TestSettingsOfRules(t *testing.T) {
	for _, tc := range []struct {
		name, lines string
		want        []string
	}{
		{"tries beyond the timeout", to + "    timeout: 5s\n    retries: {attempts: 3, perTryTimeout: 2s}\n",
			[]string{"9 MESH0102 4 tries of up to 2s need 8s, and the timeout of the whole request is 5s: only 2 can run to their end"}},
		{"tries within the timeout", to + "    timeout: 8s\n    retries: {attempts: 3, perTryTimeout: 2s}\n", nil},
		{"a try that outlives the request", to + "    timeout: 2s\n    retries: {attempts: 3, perTryTimeout: 2s}\n",
			[]string{"9 MESH0102 perTryTimeout 2s never ends a try: the timeout of the whole request, 2s, comes first, so a slow try is never repeated"}},
		{"a canary without a weight", "    route:\n    - {destination: {host: a, subset: v1}, weight: 90}\n    - {destination: {host: a, subset: v2}}\n",
			[]string{"9 MESH0105 a/v2 gets nothing: its weight is 0 or missing, and the others have 90"}},
		{"a rewrite that doubles the slash", "    match: [{uri: {prefix: /api}}]\n    rewrite: {uri: /}\n" + to,
			[]string{"7 MESH0106 the rewrite turns /api/x into //x: the prefix /api is replaced, not the segment"}},
		{"a rewrite of a whole segment", "    match: [{uri: {prefix: /api/}}]\n    rewrite: {uri: /}\n" + to, nil},
		{"a path without its slash", "    match: [{uri: {prefix: api}}]\n" + to,
			[]string{`7 MESH0108 "api" matches no path: every path begins with a slash`}},
		{"a path with a query", "    match: [{uri: {exact: \"/a?b=c\"}}]\n" + to,
			[]string{`7 MESH0108 "/a?b=c" matches no path: the query is not part of it`}},
		{"a method in small letters", "    match: [{method: {exact: get}}]\n" + to,
			[]string{"7 MESH0108 the method get matches no usual request: methods are compared as they are written"}},
		{"retries of injected aborts", to + "    fault: {abort: {httpStatus: 503, percentage: {value: 50}}}\n    retries: {attempts: 3}\n",
			[]string{"9 MESH0110 the retries of a rule do not see its own faults: an injected abort is answered at once, and the service is not called"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, rest, _ := strings.Cut(tc.lines, "    ")
			require.Empty(t, first)
			require.Equal(t, tc.want, found(t, rules("  - "+rest)))
		})
	}
}

func TestSettingsOfDestinations(t *testing.T) {
	for _, tc := range []struct {
		name string
		docs []string
		want []string
	}{
		{"ten per cent of three endpoints", []string{rule("  trafficPolicy:\n    outlierDetection: {interval: 5s}\n"), service("v1", "v1", "v1")},
			[]string{"7 MESH0103 ejects nothing: maxEjectionPercent 10 of 3 endpoints is less than one"}},
		{"ten per cent of ten endpoints", []string{rule("  trafficPolicy:\n    outlierDetection: {interval: 5s}\n"), service("v", "v", "v", "v", "v", "v", "v", "v", "v", "v")}, nil},
		{"no detector", []string{rule("  trafficPolicy:\n    outlierDetection: {consecutive5xxErrors: 0}\n")},
			[]string{"7 MESH0103 ejects nothing: consecutive5xxErrors is 0 and no other detector is on"}},
		{"a subset of one endpoint", []string{rule("  subsets:\n  - name: v1\n    labels: {version: v1}\n    trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}\n"), service("v1", "v2", "v2")},
			[]string{"9 MESH0103 ejects nothing: maxEjectionPercent 50 of 1 endpoint is less than one"}},
		{"a subset without endpoints", []string{rule("  subsets:\n  - name: v3\n    labels: {version: v3}\n"), service("v1", "v2")},
			[]string{"8 MESH0104 no endpoint of a has the labels version=v3 of subset v3: requests to it get 503"}},
		{"a subset whose endpoints only DNS knows", []string{rule("  subsets:\n  - name: v3\n    labels: {version: v3}\n"),
			strings.Replace(strings.Replace(service("v1"), "STATIC", "DNS", 1), "10.0.0.1", "b.com", 1)}, nil},
		{"a port that drops the rest", []string{rule("  trafficPolicy:\n    loadBalancer: {simple: RANDOM}\n    connectionPool: {tcp: {maxConnections: 5}}\n    portLevelSettings:\n    - port: {number: 80}\n      loadBalancer: {simple: ROUND_ROBIN}\n")},
			[]string{"10 MESH0107 on port 80 the default connectionPool applies: an entry for a port inherits nothing from the policy around it"}},
		{"a subset that drops locality", []string{rule("  trafficPolicy:\n    loadBalancer: {localityLbSetting: {enabled: true}}\n  subsets:\n  - name: v1\n    trafficPolicy:\n      loadBalancer: {simple: RANDOM}\n")},
			[]string{"11 MESH0107 subset v1 replaces the whole loadBalancer, so the localityLbSetting above it does not apply here"}},
		{"hashing behind a split", []string{rules("  - route:\n    - {destination: {host: a, subset: v1}, weight: 50}\n    - {destination: {host: a, subset: v2}, weight: 50}\n"),
			rule("  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}\n")},
			[]string{"8 MESH0109 DestinationRule shop/a hashes requests to one endpoint, but the weights here are drawn anew for each request, so a client changes sides"}},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, found(t, tc.docs...)) })
	}
}

func TestARefusedDocumentIsAmongTheFindings(t *testing.T) {
	c, err := istio.Parse("mesh.yaml", strings.NewReader(rules("  - timeout: 0s\n"+to)+"---\n[\n"))
	require.Error(t, err)
	var all []string
	for _, f := range Config(c) {
		all = append(all, fmt.Sprintf("%s:%d %s %s %q %s", f.File, f.Line, f.Code, f.Level, f.Resource, f.Message))
	}
	require.Equal(t, []string{
		`mesh.yaml:7 IST0106 error "VirtualService shop/a" spec.http[0].timeout: must be at least 1ms; to have none, leave the field out (got 0s)`,
		`mesh.yaml:8 IST0101 error "VirtualService shop/a" Referenced host not found: "a"; requests to it get 503`,
		`mesh.yaml:10 MESH0001 error "" is no valid YAML: did not find expected node content`,
	}, all)
}

// many is a file of VirtualServices with ten rules each, to hosts that nobody
// knows.
func many(services int) string {
	var b strings.Builder
	for i := range services {
		b.WriteString(strings.ReplaceAll(rules(""), "name: a", fmt.Sprintf("name: a%d", i)))
		for j := range 10 {
			fmt.Fprintf(&b, "  - match: [{uri: {prefix: /%d/}, headers: {x: {exact: g%d}}}]\n    route: [{destination: {host: b%d.com}}]\n", j, j, i)
		}
		b.WriteString("---\n")
	}
	return b.String()
}

func BenchmarkAThousandServices(b *testing.B) {
	c, err := istio.Parse("mesh.yaml", strings.NewReader(many(1000)))
	require.NoError(b, err)
	for b.Loop() {
		require.Greater(b, len(Config(c)), 10000)
	}
}

// Ten times the services must not take a hundred times as long.
func TestTheTimeOfAnAnalysisGrowsWithTheDocuments(t *testing.T) {
	analysis := func(services int) func() {
		c, err := istio.Parse("mesh.yaml", strings.NewReader(many(services)))
		require.NoError(t, err)
		return func() { Config(c) }
	}
	costtest.AtMost(t, 40, analysis(200), analysis(20))
}
