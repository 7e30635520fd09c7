package istio

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettingsOfTheMeshAreChecked(t *testing.T) {
	const head = "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n"
	for settings, want := range map[string]string{
		"connectTimeout: 0s\n":                                          "connectTimeout: must be at least 1ms; to have none, leave the field out (got 0s)",
		"connectTimeout: 31s\n":                                         "connectTimeout: must be 1ms to 30s (got 31s)",
		"protocolDetectionTimeout: 1.5ms\n":                             "protocolDetectionTimeout: must be whole milliseconds (got 1.5ms)",
		"trustDomain: a_b\n":                                            `trustDomain: must be a name of letters, digits, dots and inner dashes (got "a_b")`,
		"trustDomainAliases: [a, '']\n":                                 `trustDomainAliases[1]: must be a name of letters, digits, dots and inner dashes (got "")`,
		"proxyListenPort: 70000\n":                                      "proxyListenPort: must be a port number from 1 to 65535 (got 70000)",
		"defaultTrafficPolicy: {connectionPool: {}}\n":                  "defaultTrafficPolicy.connectionPool: is empty: it needs http or tcp",
		"defaultHttpRetryPolicy: {attempts: 2, retryOn: 5XX}\n":         `defaultHttpRetryPolicy.retryOn: 5XX must be in small letters (got "5XX")`,
		"serviceSettings: [{hosts: [a_b]}]\n":                           `serviceSettings[0].hosts[0]: is no DNS name: no underscore is allowed (in "a_b") (got "a_b")`,
		"localityLbSetting: {failover: [{from: a/b, to: c}]}\n":         `localityLbSetting.failover[0].from: must be a region alone, without a zone (got "a/b")`,
		"defaultTrafficPolicy: {outlierDetection: {interval: 0.1ms}}\n": "defaultTrafficPolicy.outlierDetection.interval: must be at least 1ms; to have none, leave the field out (got 100µs)",
	} {
		_, err := Parse("mesh.yaml", strings.NewReader(head+settings))
		require.EqualError(t, err, "mesh.yaml:3: MeshConfig: "+want, settings)
	}
	c := parse(t, head+"extensionProviders: [{name: log, envoyFileAccessLog: {path: /x, logFormat: {labels: {status: 200, ok: yes, none: ~, list: [a, 1.5]}}}}]\n")
	require.Equal(t, map[string]any{"status": 200.0, "ok": true, "none": nil, "list": []any{"a", 1.5}},
		c.MeshConfig().Spec.ExtensionProviders[0].GetEnvoyFileAccessLog().LogFormat.GetLabels().AsMap())
}

func TestASidecarIsReadForUnknownHostsOnly(t *testing.T) {
	c := parse(t, "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a, namespace: shop}\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n")
	require.Equal(t, "REGISTRY_ONLY", c.Sidecars()[0].Spec.OutboundTrafficPolicy.Mode.String())
	for w := range c.Warnings() {
		require.Contains(t, w.Reason, "outboundTrafficPolicy only")
	}
	_, err := Parse("mesh.yaml", strings.NewReader("apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\nspec: {}\n"))
	require.EqualError(t, err, "mesh.yaml:4: Sidecar default/a: spec: is empty")
}

func TestAnnotationsThatMeanSomething(t *testing.T) {
	with := func(doc, annotation string) error {
		_, err := Parse("mesh.yaml", strings.NewReader(strings.Replace(doc, "{name: a", "{annotations: {"+annotation+"}, name: a", 1)))
		return err
	}
	policy := "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {}\n"
	require.NoError(t, with(policy, `istio.io/dry-run: "true"`))
	require.ErrorContains(t, with(policy, `istio.io/dry-run: "perhaps"`), "must be true or false")
	require.ErrorContains(t, with(service("a", ""), `istio.io/dry-run: "true"`), "only an AuthorizationPolicy")
	require.ErrorContains(t, with(strings.Replace(policy, "spec: {}", "spec: {action: AUDIT}", 1), `istio.io/dry-run: "true"`), "only the actions ALLOW and DENY")
	require.ErrorContains(t, with(policy, `internal.istio.io/parents: x`), "reserved to Istio itself")
}

// What Istio lets pass although it cannot work is refused with a code of ours,
// so that its own verdict stays readable.
func TestStricterThanIstio(t *testing.T) {
	authorization := func(rule string) string {
		return "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules:\n  - " + rule + "\n"
	}
	for name, doc := range map[string]string{
		"a redirect that changes nothing":                 strings.Replace(rule(""), "  - route:\n    - destination: {host: reviews}\n", "  - redirect: {derivePort: FROM_PROTOCOL_DEFAULT}\n", 1),
		"a redirect with status 304":                      strings.Replace(rule(""), "  - route:\n    - destination: {host: reviews}\n", "  - redirect: {uri: /a, redirectCode: 304}\n", 1),
		"an answer with status 600":                       strings.Replace(rule(""), "  - route:\n    - destination: {host: reviews}\n", "  - directResponse: {status: 600}\n", 1),
		"an abort with nothing":                           rule("    fault: {abort: {percentage: {value: 5}}}\n"),
		"a delay of nothing":                              rule("    fault: {delay: {percentage: {value: 5}}}\n"),
		"a delay for 101 per cent":                        rule("    fault: {delay: {percent: 101, fixedDelay: 5s}}\n"),
		"a header with a space":                           rule("    headers: {request: {set: {x a: b}}}\n"),
		"a group that does not exist":                     rule("    rewrite: {uriRegexRewrite: {match: /a, rewrite: '\\1'}}\n"),
		"weights beyond 32 bits":                          rule("      weight: 2147483647\n    - {destination: {host: a}, weight: 2147483647}\n    - {destination: {host: b}, weight: 9}\n"),
		"a broken gateway behind one without a namespace": strings.Replace(rule(""), "  hosts:", "  gateways: [mesh, a_b/c]\n  hosts:", 1),
		"port 0 of a port's settings":                     policy("    portLevelSettings: [{port: {}, tls: {}}]\n"),
		"two settings of a port":                          policy("    portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 80}, tls: {}}]\n"),
		"hashing by a header without a name":              policy("    loadBalancer: {consistentHash: {httpHeaderName: ''}}\n"),
		"a ring that Envoy refuses":                       policy("    loadBalancer: {consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 8388609}}}\n"),
		"localities that overlap in the unseen order":     policy("    loadBalancer: {localityLbSetting: {distribute: [{from: a/b, to: {a: 100}}, {from: a/*, to: {a: 100}}]}}\n"),
		"callers as URIs":                                 authorization("from: [{source: {principals: ['spiffe://a/ns/b/sa/c']}}]"),
		"an empty list of callers":                        authorization("from: []"),
		"a template without a slash":                      authorization("to: [{operation: {paths: ['{**}']}}]"),
		"versions of TLS that cross":                      "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  servers:\n  - port: {number: 443, name: a, protocol: HTTPS}\n    hosts: [a.com]\n    tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("mesh.yaml", strings.NewReader(doc))
			require.Error(t, err)
			for f := range c.Findings() {
				require.Equal(t, CodePointless, f.Code, f.Error())
			}
		})
	}
}

// A warning that Istio would lose on its way is kept, with a code of ours.
func TestWarningsInSubsetsAndPortsAreHeard(t *testing.T) {
	for _, doc := range []string{
		policy("    outlierDetection: {}\n") + "  subsets:\n  - name: v1\n    trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}\n",
		policy("    portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutiveErrors: 3}}]\n"),
		rule("    match: [{gateways: [gw.shop.svc.cluster.local]}]\n"),
	} {
		n := 0
		for f := range parse(t, doc).Findings() {
			require.Equal(t, CodeUnheard, f.Code)
			n++
		}
		require.Equal(t, 1, n)
	}
}
