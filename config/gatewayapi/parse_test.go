package gatewayapi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDurationsAreThoseOfGEP2257(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0s": 0, "1h": time.Hour, "30m": 30 * time.Minute, "500ms": 500 * time.Millisecond, "1h30m10s": time.Hour + 30*time.Minute + 10*time.Second,
		"10s30m1h": time.Hour + 30*time.Minute + 10*time.Second, "100ms200ms300ms": 600 * time.Millisecond, "00060m": time.Hour, "99999h": 99999 * time.Hour,
	} {
		have, err := parseDuration(s)
		require.NoError(t, err, s)
		require.Equal(t, want, have, s)
	}
	for _, s := range []string{"", "0", "1", "1m1", "1d", "10s30m1h10s1s", "1.5h", "-15m", "999999h", "1h30m10s20ms50h", " 1s", "1S"} {
		_, err := parseDuration(s)
		require.Error(t, err, s)
	}
}

func TestProblemsNameTheirPlace(t *testing.T) {
	for _, tc := range []struct {
		name, spec string
		want       []string
	}{
		{"a misspelt field", "rules:\n- matchs: []\n", []string{
			`mesh.yaml:7: HTTPRoute shop/a: spec.rules[0].matchs: there is no such field; did you mean matches?`,
		}},
		{"paths", `rules:
- matches:
  - path: {value: a}
  - path: {value: /a//b}
  - path: {value: /a/..}
  - path: {value: "/a%2Fb"}
  - path: {value: "/a b"}
  - path: {type: Prefix, value: /a}
  - path: {type: RegularExpression, value: "/("}
`, []string{
			`mesh.yaml:8: HTTPRoute shop/a: spec.rules[0].matches[0].path.value: must begin with a slash (got "a")`,
			`mesh.yaml:9: HTTPRoute shop/a: spec.rules[0].matches[1].path.value: must not have empty segments, nor . and .. (got "/a//b")`,
			`mesh.yaml:10: HTTPRoute shop/a: spec.rules[0].matches[2].path.value: must not have empty segments, nor . and .. (got "/a/..")`,
			`mesh.yaml:11: HTTPRoute shop/a: spec.rules[0].matches[3].path.value: must not have an encoded slash (got "/a%2Fb")`,
			`mesh.yaml:12: HTTPRoute shop/a: spec.rules[0].matches[4].path.value: holds what a path cannot hold: encode it as %XX, without a query or # (got "/a b")`,
			`mesh.yaml:13: HTTPRoute shop/a: spec.rules[0].matches[5].path.type: must be Exact, PathPrefix or RegularExpression (got "Prefix")`,
			`mesh.yaml:14: HTTPRoute shop/a: spec.rules[0].matches[6].path.value: is no regular expression of RE2: error parsing regexp: missing closing ): ` + "`/(`" + ` (got "/(")`,
		}},
		{"filters", `rules:
- matches: [{path: {value: /a}}, {path: {value: /b}}]
  filters:
  - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
  - {type: RequestRedirect, requestRedirect: {statusCode: 304}}
  - {type: RequestRedirect, cors: {}}
  - {type: CORS, cors: {allowOrigins: ["*", "https://a"], maxAge: 0}}
  - {type: Gzip}
  - {type: RequestMirror, requestMirror: {backendRef: {name: a}, percent: 101}}
  backendRefs: [{name: a, port: 80, weight: -1}, {name: b}]
`, []string{
			`mesh.yaml:8: HTTPRoute shop/a: spec.rules[0].filters: cannot have both RequestRedirect and URLRewrite`,
			`mesh.yaml:9: HTTPRoute shop/a: spec.rules[0].filters[0].urlRewrite.path.type: needs exactly one match in the rule, of a PathPrefix (got "ReplacePrefixMatch")`,
			`mesh.yaml:10: HTTPRoute shop/a: spec.rules[0].filters[1].requestRedirect.statusCode: must be 301, 302, 303, 307 or 308 (got 304)`,
			`mesh.yaml:11: HTTPRoute shop/a: spec.rules[0].filters[2].cors: cannot stand here: the type of the filter is RequestRedirect`,
			`mesh.yaml:11: HTTPRoute shop/a: spec.rules[0].filters[2].requestRedirect: is missing: the type of the filter is RequestRedirect`,
			`mesh.yaml:11: HTTPRoute shop/a: spec.rules[0].filters[2].type: is given twice (got "RequestRedirect")`,
			`mesh.yaml:12: HTTPRoute shop/a: spec.rules[0].filters[3].cors.allowOrigins[0]: cannot stand beside other origins (got "*")`,
			`mesh.yaml:12: HTTPRoute shop/a: spec.rules[0].filters[3].cors.maxAge: must be at least 1 (seconds) (got 0)`,
			`mesh.yaml:13: HTTPRoute shop/a: spec.rules[0].filters[4].type: must be RequestHeaderModifier, ResponseHeaderModifier, RequestMirror, ExtensionRef, RequestRedirect, URLRewrite, CORS or ExternalAuth (got "Gzip")`,
			`mesh.yaml:14: HTTPRoute shop/a: spec.rules[0].filters[5].requestMirror.backendRef.port: is missing: a Service needs one`,
			`mesh.yaml:14: HTTPRoute shop/a: spec.rules[0].filters[5].requestMirror.percent: must be 0 to 100 (got 101)`,
			`mesh.yaml:15: HTTPRoute shop/a: spec.rules[0].backendRefs: cannot stand beside the filter RequestRedirect, which answers without them`,
			`mesh.yaml:15: HTTPRoute shop/a: spec.rules[0].backendRefs[0].weight: must be 0 to 1000000 (got -1)`,
			`mesh.yaml:15: HTTPRoute shop/a: spec.rules[0].backendRefs[1].port: is missing: a Service needs one`,
		}},
		{"timeouts, retries, sessions", `hostnames: [10.0.0.1, "a.*.com"]
rules:
- timeouts: {request: 1s, backendRequest: 2s}
  retry: {codes: [200], attempts: -1, backoff: 5}
  sessionPersistence: {type: Cookie, cookieConfig: {lifetimeType: Permanent}}
`, []string{
			`mesh.yaml:6: HTTPRoute shop/a: spec.hostnames[0]: must be a name and not an IP address (got "10.0.0.1")`,
			`mesh.yaml:6: HTTPRoute shop/a: spec.hostnames[1]: must be a DNS name in lower case, such as shop.example.com or *.example.com (got "a.*.com")`,
			`mesh.yaml:8: HTTPRoute shop/a: spec.rules[0].timeouts.backendRequest: cannot be longer than the bound on the whole request, 1s (got "2s")`,
			`mesh.yaml:9: HTTPRoute shop/a: spec.rules[0].retry.attempts: must be 0 to 1000 (got -1)`,
			`mesh.yaml:9: HTTPRoute shop/a: spec.rules[0].retry.backoff: must be a string, and YAML reads 5 as a whole number: put it in quotes`,
			`mesh.yaml:9: HTTPRoute shop/a: spec.rules[0].retry.codes[0]: must be 400 to 599 (got 200)`,
			`mesh.yaml:10: HTTPRoute shop/a: spec.rules[0].sessionPersistence.absoluteTimeout: is missing: a permanent cookie needs it`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("mesh.yaml", strings.NewReader(httpRoute("shop/a", onEdge+tc.spec)))
			require.Equal(t, tc.want, lines(err))
		})
	}
}

func TestKindsOfOthersArePassedOver(t *testing.T) {
	c, err := Parse("mesh.yaml", strings.NewReader(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: t}
---
apiVersion: gateway.networking.k8s.io/v9
kind: HTTPRoute
metadata: {name: a}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTProute
metadata: {name: a}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
`))
	require.Equal(t, []string{
		`mesh.yaml:10: HTTPRoute: apiVersion: there is no such version of this kind; there are v1, v1beta1 and v1alpha2 (got "v9")`,
		`mesh.yaml:15: HTTProute: kind: there is no such kind; did you mean HTTPRoute? (got "HTTProute")`,
		`mesh.yaml:18: BackendTLSPolicy default/p: is not carried out, and without it requests would go out in plain text`,
	}, lines(err))
	var warnings []string
	for p := range c.Warnings() {
		warnings = append(warnings, p.Error())
	}
	require.Equal(t, []string{`mesh.yaml:6: TCPRoute default/t: is passed over: this package routes HTTP and gRPC`}, warnings)
}

func TestFilesAndFoldersAreRead(t *testing.T) {
	fsys := fstest.MapFS{"a.yaml": {Data: []byte(edge)}, "b/c.yml": {Data: []byte(service("shop/a"))}}
	c, err := ParseFS(fsys, "a.yaml", "b")
	require.NoError(t, err)
	require.Len(t, c.gateways, 1)
	require.Equal(t, "b/c.yml", c.services[0].file)
	file := filepath.Join(t.TempDir(), "a.yaml")
	require.NoError(t, os.WriteFile(file, []byte(edge+"---\n"+edge), 0o600))
	_, err = ParseFiles(file)
	require.ErrorContains(t, err, "there is another one of this name in "+file+":2")
}

func TestObjectsWithoutATimeAreOlderTheEarlierTheyStand(t *testing.T) {
	at := func(name, created string) string {
		return strings.Replace(httpRoute("shop/"+name, "rules: [{}]"), "}", ", creationTimestamp: "+created+"}", 1)
	}
	c := parse(t, at("d", "2026-02-01T00:00:00Z"), httpRoute("shop/z", "rules: [{}]"), at("c", "2026-01-01T00:00:00Z"), at("b", "2026-01-01T00:00:00Z"), httpRoute("shop/x", "rules: [{}]"))
	var names []string
	for _, r := range c.routes() {
		names = append(names, r.name)
	}
	require.Equal(t, []string{"z", "x", "b", "c", "d"}, names)
}

func FuzzParse(f *testing.F) {
	f.Add(edge)
	f.Add(service("shop/a"))
	f.Add(httpRoute("shop/a", onEdge+"rules:\n- matches: [{path: {value: /a}}]\n  filters: [{type: URLRewrite, urlRewrite: {hostname: a.b}}]\n  backendRefs: [{name: a, port: 80}]\n  sessionPersistence: {}\n"))
	f.Add(httpRoute("shop/a", "parentRefs: [{kind: Service, group: '', name: a}]\nrules:\n- matches: [{queryParams: [{name: a, value: é+}], headers: [{name: a, value: b}]}]\n  retry: {}\n"))
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := Parse("mesh.yaml", strings.NewReader(doc))
		for range c.Warnings() {
		}
		if err != nil {
			return
		}
		// What is read without a problem can be carried out.
		client, err := NewClient(c, ClientConfig{})
		require.NoError(t, err)
		require.NoError(t, client.Close())
		for _, g := range c.gateways {
			gateway, err := NewGateway(c, GatewayConfig{Name: g.id()})
			require.NoError(t, err)
			require.NoError(t, gateway.Close())
		}
	})
}
