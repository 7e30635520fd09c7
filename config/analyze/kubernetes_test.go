package analyze

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
)

// said are the findings with Istio's codes, as "CODE level resource message", each up
// to its first comma or semicolon.
func said(t *testing.T, docs ...string) []string {
	t.Helper()
	c, err := istio.Parse("mesh.yaml", strings.NewReader(strings.Join(docs, "---\n")))
	require.NoError(t, err)
	var all []string
	for _, f := range Config(c) {
		if strings.HasPrefix(f.Code, "IST") {
			message, _, _ := strings.Cut(f.Message, ";")
			all = append(all, fmt.Sprintf("%s %s %s %s", f.Code, f.Level, f.Resource, message))
			require.NotEmpty(t, f.Advice)
			require.Positive(t, f.Line)
		}
	}
	return all
}

// annotated is an object of Kubernetes with annotations.
func annotated(kind, annotations string) string {
	version := "v1"
	if kind == "Deployment" {
		version = "apps/v1"
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: x, namespace: shop, annotations: {%s}}\n", version, kind, annotations)
}

func TestAnnotations(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"another's", annotated("Pod", "example.com/a: b"), ""},
		{"a good one", annotated("Pod", "traffic.sidecar.istio.io/excludeInboundPorts: '80, 81'"), ""},
		{"one that is anywhere", annotated("Deployment", "galley.istio.io/analyze-suppress: IST0103"), ""},
		{"one of a controller", annotated("Deployment", "sidecar.istio.io/status: x"), ""},
		{"one that nobody knows", annotated("Service", "foo.istio.io/bar: x"), "IST0108 warning Service shop/x Unknown annotation: foo.istio.io/bar"},
		{"one of another kind", annotated("Deployment", "traffic.sidecar.istio.io/excludeInboundPorts: '80'"),
			"IST0107 warning Deployment shop/x Misplaced annotation: traffic.sidecar.istio.io/excludeInboundPorts can only be applied to Pod"},
		{"an old one", annotated("Pod", "sidecar.istio.io/inject: 'true'"),
			`IST0135 info Pod shop/x Annotation "sidecar.istio.io/inject" has been deprecated in favor of the "sidecar.istio.io/inject" label and may not work in future Istio versions.`},
		{"an old one beside the new", strings.Replace(annotated("Pod", "sidecar.istio.io/inject: 'true'"), "namespace: shop", "namespace: shop, labels: {sidecar.istio.io/inject: 'true'}", 1), ""},
		{"a mode", annotated("Pod", "sidecar.istio.io/interceptionMode: 'NO'"),
			"IST0125 warning Pod shop/x Invalid annotation sidecar.istio.io/interceptionMode: interceptionMode invalid, use REDIRECT,TPROXY,NONE: NO"},
		{"a port", annotated("Pod", "status.sidecar.istio.io/port: '99999'"), `IST0125 warning Pod shop/x Invalid annotation status.sidecar.istio.io/port: "99999" is no port`},
		{"no ports", annotated("Pod", "traffic.sidecar.istio.io/excludeInboundPorts: ''"), ""},
		{"all ports", annotated("Pod", "traffic.sidecar.istio.io/includeInboundPorts: '*'"), ""},
		{"all ports where they are listed", annotated("Pod", "traffic.sidecar.istio.io/excludeInboundPorts: '*'"), `IST0125 warning Pod shop/x Invalid annotation traffic.sidecar.istio.io/excludeInboundPorts: "*" is no port`},
		{"ranges", annotated("Pod", "traffic.sidecar.istio.io/includeOutboundIPRanges: '10.0.0.0/8,1.2.3.4'"),
			`IST0125 warning Pod shop/x Invalid annotation traffic.sidecar.istio.io/includeOutboundIPRanges: "1.2.3.4" is no range of addresses`},
		{"a count", annotated("Pod", "readiness.status.sidecar.istio.io/periodSeconds: '-1'"),
			`IST0125 warning Pod shop/x Invalid annotation readiness.status.sidecar.istio.io/periodSeconds: strconv.ParseUint: parsing "-1": invalid syntax`},
		{"a switch", annotated("Pod", "prometheus.istio.io/merge-metrics: maybe"),
			`IST0125 warning Pod shop/x Invalid annotation prometheus.istio.io/merge-metrics: strconv.ParseBool: parsing "maybe": invalid syntax`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			require.Equal(t, want, said(t, tt.doc))
		})
	}
}

func TestFindingsThatAreNotWanted(t *testing.T) {
	unknown := func(suppress string) []string {
		return said(t, annotated("Service", "foo.istio.io/bar: x, galley.istio.io/analyze-suppress: '"+suppress+"'"))
	}
	require.Len(t, unknown("IST0107"), 1)
	require.Empty(t, unknown("IST0107,IST0108"))
	require.Empty(t, unknown("*"))
}

func TestSelectorsThatAGatewayDoesNotHeed(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {app: a, gateway.networking.k8s.io/gateway-name: gw, sidecar.istio.io/inject: 'true'}}\nspec: {containers: [{name: istio-proxy}]}\n"
	policy := func(kind, spec string) string {
		return "apiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {name: x, namespace: shop}\nspec: " + spec + "\n"
	}
	const text = "Ineffective selector on Kubernetes Gateway gw. Use the TargetRef field instead."
	require.Equal(t, []string{"IST0166 warning AuthorizationPolicy shop/x " + text}, said(t, pod, policy("AuthorizationPolicy", "{selector: {matchLabels: {app: a}}}")))
	require.Equal(t, []string{"IST0166 warning RequestAuthentication shop/x " + text}, said(t, pod, policy("RequestAuthentication", "{selector: {matchLabels: {app: a}}}")))
	require.Empty(t, said(t, pod, policy("RequestAuthentication", "{selector: {matchLabels: {app: b}}}")))
	require.Empty(t, said(t, pod, policy("AuthorizationPolicy", "{}")))
}

func TestCredentialsOfGateways(t *testing.T) {
	gateway := "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: shop}\nspec:\n  selector: {istio: ingressgateway}\n  servers:\n" +
		"  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: c}}\n"
	secret := func(name, namespace, cert, key string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData: {tls.crt: %q, tls.key: %q}\n", name, namespace, cert, key)
	}
	good, key := certtest.NewCA().Issue("spiffe://a/ns/b/sa/c")
	const invalid = "IST0161 error Gateway shop/g The credential referenced by the Gateway g in namespace istio-system is invalid, which can cause the traffic not to work as expected: "
	for _, tt := range []struct {
		name, secret, want string
	}{
		{"a good one", secret("c", "istio-system", string(good), string(key)), ""},
		{"one in the Gateway's own namespace", secret("c", "shop", string(good), string(key)), `IST0101 error Gateway shop/g Referenced credentialName not found: "c"`},
		{"one without a key", secret("c", "istio-system", string(good), ""), invalid + "it has neither tls.crt and tls.key nor cert and key"},
		{"one that is no PEM", secret("c", "istio-system", "hello", string(key)), invalid + "its certificate is not in PEM"},
		{"one that is no certificate", secret("c", "istio-system", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "k"), invalid + "its certificate cannot be read: x509: malformed certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			require.Equal(t, want, said(t, gateway, tt.secret))
		})
	}
	require.Empty(t, said(t, gateway), "without any Secret among the documents nothing is said")
}
