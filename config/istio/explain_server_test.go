package istio_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/internal/peer"
)

// guarded are policies for the workload app=reviews in shop and for others; the
// lines count in the tests.
const guarded = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: mesh, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: reviews, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  portLevelMtls:
    8080:
      mode: PERMISSIVE
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: batch, namespace: jobs}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/admin]}}]
  - to: [{operation: {methods: [GET]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: [/admin*]}}]
    from: [{source: {notPrincipals: [cluster.local/ns/shop/sa/admin]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: of-ratings, namespace: shop}
spec:
  selector: {matchLabels: {app: ratings}}
---
apiVersion: mesh.sidecarless.dev/v1alpha1
kind: RateLimit
metadata: {name: reviews, namespace: shop}
spec:
  rules:
  - name: all
    tokenBucket: {maxTokens: 20, tokensPerFill: 10, fillInterval: 1s}
`

// arriving is a request as a server gets it on a port of the workload.
func arriving(t *testing.T, method, url, caller string, port int) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{Port: port})
	if caller != "" {
		ctx = peer.With(ctx, caller)
	}
	return r.WithContext(ctx)
}

func guardedServer(t *testing.T, documents string) *istio.Server {
	t.Helper()
	s, err := istio.NewServer(parse(t, documents), istio.ServerConfig{
		Workload: istio.Workload{Namespace: "shop", Labels: map[string]string{"app": "reviews"}},
		Identity: identity(t, certtest.NewCA(), "reviews"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAServerExplainsWhomItLetsIn(t *testing.T) {
	s := guardedServer(t, guarded)
	a := s.Explain(arriving(t, "GET", "http://reviews/x/../list", "cluster.local/ns/shop/sa/frontend", 8080))
	require.Equal(t, `GET reviews/list, port 8080, from cluster.local/ns/shop/sa/frontend

    mtls.mode | PERMISSIVE | mesh.yaml:13: PeerAuthentication shop/reviews
    limit of RateLimit shop/reviews all | 20 at once, 10 more each 1s | mesh.yaml:48: RateLimit shop/reviews

not mesh.yaml:15: PeerAuthentication jobs/batch
    is for the namespace jobs, and the workload is in shop

not mesh.yaml:1: PeerAuthentication istio-system/mesh
    is overridden by a narrower one, mesh.yaml:6: PeerAuthentication shop/reviews

not mesh.yaml:37: AuthorizationPolicy shop/of-ratings
    is for workloads with the labels app=ratings

DENY policy (mesh.yaml:28: AuthorizationPolicy shop/no-admin)
    not rule (mesh.yaml:34: AuthorizationPolicy shop/no-admin)
        to[0]: the path "/list" is none of those that are asked for

ALLOW policy (mesh.yaml:20: AuthorizationPolicy shop/readers)
    not rule (mesh.yaml:25: AuthorizationPolicy shop/readers)
        from[0]: the principal "cluster.local/ns/shop/sa/frontend" is none of those that are asked for
    rule (mesh.yaml:26: AuthorizationPolicy shop/readers)

allowed by ns[shop]-policy[readers]
`, columns(a.String()))
	require.True(t, a.Allowed)
	require.Zero(t, s.Stats(), "nothing is counted")
}

func TestAServerExplainsWhomItKeepsOut(t *testing.T) {
	const frontend = "cluster.local/ns/shop/sa/frontend"
	s := guardedServer(t, guarded)
	for _, tt := range []struct {
		name, method, url, caller string
		port                      int
		verdict                   string
		policies                  int // met on the way
	}{
		{"plain text on a strict port", "GET", "http://reviews/", "", 9090, "the connection is refused: mutual TLS is demanded, and the caller is not known", 0},
		{"plain text on a permissive port", "GET", "http://reviews/", "", 8080, "allowed by ns[shop]-policy[readers]", 2},
		{"a denied path", "GET", "http://reviews/admin/keys", frontend, 9090, "403: refused by ns[shop]-policy[no-admin]", 1},
		{"what no policy allows", "POST", "http://reviews/", frontend, 9090, "403: no policy allows it", 2},
		{"a path that cannot be", "GET", "http://reviews/a%00b", frontend, 9090, "400: its path cannot be normalized", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.Explain(arriving(t, tt.method, tt.url, tt.caller, tt.port))
			require.Equal(t, tt.verdict, a.Verdict)
			require.Len(t, a.Policies, tt.policies)
			require.Equal(t, strings.HasPrefix(tt.verdict, "allowed"), a.Allowed)
		})
	}
}

func TestAServerWithoutPoliciesExplainsItsDefaults(t *testing.T) {
	a := guardedServer(t, "").Explain(arriving(t, "GET", "http://reviews/", "", 80))
	require.Equal(t, []istio.Setting{{Name: "mtls.mode", Value: "PERMISSIVE", Source: istio.DefaultOfIstio}}, a.Settings)
	require.Equal(t, "allowed: no policy for the workload has the action ALLOW", a.Verdict)
	text, err := json.Marshal(a)
	require.NoError(t, err)
	require.JSONEq(t, `{"method": "GET", "host": "reviews", "port": 80, "path": "/", "allowed": true,
		"verdict": "allowed: no policy for the workload has the action ALLOW",
		"settings": [{"name": "mtls.mode", "value": "PERMISSIVE", "source": "default of Istio"}]}`, string(text))
}

func TestAPolicyWithoutRulesIsExplained(t *testing.T) {
	a := guardedServer(t, strings.ReplaceAll(frontendOnly, "spec:\n  rules:\n  - from: [{source: {principals: [cluster.local/ns/shop/sa/frontend]}}]\n", "spec: {}\n")).
		Explain(arriving(t, "GET", "http://reviews/", "", 80))
	require.False(t, a.Allowed)
	require.Contains(t, a.String(), "it has no rules, and matches nothing")
}

// edged is a gateway with a server in plain text, one that sends to https, and one
// with TLS; the lines count in the tests.
const edged = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
  - port: {number: 80, name: old, protocol: HTTP}
    hosts: [old.example.com]
    tls: {httpsRedirect: true}
  - port: {number: 8080, name: other, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: app, namespace: shop}
spec:
  hosts: [app.shop.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [edge]
  http:
  - name: api
    match: [{uri: {prefix: /api}}]
    route: [{destination: {host: app}}]
  - name: cart
    match: [{uri: {prefix: /cart}}]
    route: [{destination: {host: app}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-posts, namespace: shop}
spec: {action: DENY, rules: [{to: [{operation: {methods: [POST]}}]}]}
`

func TestAGatewayExplainsItsServersRulesAndPolicies(t *testing.T) {
	g, err := istio.NewGateway(parse(t, edged), istio.GatewayConfig{Workload: istio.Workload{Namespace: "shop", Labels: gatewayLabels}})
	require.NoError(t, err)
	defer g.Close()

	p := g.Explain(arriving(t, "POST", "http://shop.example.com/cart/1", "", 80))
	text := columns(p.String())
	want := `POST shop.example.com/cart/1, port 80

not server (mesh.yaml:12: Gateway shop/edge)
    is for port 8080

server (mesh.yaml:7: Gateway shop/edge)

DENY policy (mesh.yaml:38: AuthorizationPolicy shop/no-posts)
    rule (mesh.yaml:41: AuthorizationPolicy shop/no-posts)

403: refused by ns[shop]-policy[no-posts]

not rule api (mesh.yaml:31: VirtualService shop/shop)
    path "/cart/1": want prefix "/api"

rule cart (mesh.yaml:34: VirtualService shop/shop)
    timeout | none | default of Istio
`
	require.True(t, strings.HasPrefix(text, want), text)
	require.Contains(t, text, "100 % of requests to outbound|80||app.shop.svc.cluster.local (mesh.yaml:36: VirtualService shop/shop)")
	require.False(t, p.Admission.Allowed)

	for _, tt := range []struct {
		name, url string
		port      int
		tls       string // the name asked for; empty for plain text
		refused   string
	}{
		{"no rule", "http://shop.example.com/", 80, "", "404: no rule of the host matches"},
		{"no host", "http://nobody.example.com/", 80, "", "404: no VirtualService of the server is for the host"},
		{"a server that sends to https", "http://old.example.com/", 80, "", "301 to https: the server says httpsRedirect"},
		{"TLS where there is none", "https://shop.example.com/", 80, "shop.example.com", "no server of a Gateway is for it"},
		{"a path that cannot be", "http://shop.example.com/a%00b", 80, "", "400: its path cannot be normalized"},
		{"another port", "http://shop.example.com/", 8080, "", "404: no rule of the host matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := arriving(t, "GET", tt.url, "", tt.port)
			if tt.tls != "" {
				r.TLS = &tls.ConnectionState{ServerName: tt.tls}
			}
			require.Equal(t, tt.refused, g.Explain(r).Routing.Refused)
		})
	}
}
