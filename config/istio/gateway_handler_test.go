package istio_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
)

// The Gateway of the article, with a route to a service.
func TestTheArticlesGateway(t *testing.T) {
	seed, err := os.ReadFile("../../conformance/testdata/seeds/service-mesh.yaml")
	require.NoError(t, err)
	gateway, _, _ := strings.Cut(string(seed), "\n---")
	require.Contains(t, gateway, "name: app-gateway")
	ca := certtest.NewCA()
	s := open(t, gateway+routed("app.example.com"), istio.GatewayConfig{
		CredentialDir: folder(t, ca, "app-tls", "app.example.com"), Gateway: "default/app-gateway",
	})

	res, body, err := s.get(80, caller{})
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "app.example.com /api proto=http for=127.0.0.1 xfcc=", body)

	res, body, err = s.get(443, caller{roots: ca})
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "app.example.com /api proto=https for=127.0.0.1 xfcc=", body)

	require.Equal(t, 404, s.status(80, caller{host: "other.example.com"}))
	require.Equal(t, 404, s.status(80, caller{path: "/"}))
	require.Equal(t, 404, s.status(443, caller{roots: ca, host: "other.example.com", name: "app.example.com"}))
	_, _, err = s.get(443, caller{roots: ca, name: "other.example.com"})
	require.Error(t, err, "no server is for the name")
	_, _, err = s.get(443, caller{roots: certtest.NewCA()})
	require.ErrorContains(t, err, "certificate")
}

func TestHeadersThatCallersCannotForge(t *testing.T) {
	s := open(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+routed("app.example.com"), istio.GatewayConfig{})
	_, body, err := s.get(80, caller{header: http.Header{
		"X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"10.9.9.9", "10.8.8.8"}, "X-Forwarded-Client-Cert": {"URI=spiffe://cluster.local/ns/a/sa/b"},
	}})
	require.NoError(t, err)
	require.Equal(t, "app.example.com /api proto=http for=10.9.9.9,10.8.8.8,127.0.0.1 xfcc=", body)
}

func TestHTTPSRedirect(t *testing.T) {
	s := open(t, gatewayOf(
		"{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com'], tls: {httpsRedirect: true}}",
	)+routed("app.example.com"), istio.GatewayConfig{})
	for host, location := range map[string]string{
		"app.example.com":      "https://app.example.com/api/x?a=b",
		"app.example.com:8080": "https://app.example.com:8080/api/x?a=b",
		"app.example.com:80":   "https://app.example.com:80/api/x?a=b",
		"none.example.com":     "https://none.example.com/api/x?a=b",
	} {
		res, _, err := s.get(80, caller{host: host, path: "/api/x?a=b", header: http.Header{"X-Forwarded-Proto": {"https"}}})
		require.NoError(t, err)
		require.Equal(t, 301, res.StatusCode)
		require.Equal(t, location, res.Header.Get("Location"))
	}
	require.Equal(t, 404, s.status(80, caller{host: "example.org"}))
}

func TestHTTPSRedirectIsNotForWhatATrustedProxyTookOverTLS(t *testing.T) {
	s := open(t, gatewayOf(
		"{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com'], tls: {httpsRedirect: true}}",
	)+routed("app.example.com"), istio.GatewayConfig{TrustedHops: 1})
	from := func(proto string) caller {
		return caller{header: http.Header{"X-Forwarded-Proto": {proto}, "X-Forwarded-For": {"10.6.6.6"}}}
	}
	require.Equal(t, 200, s.status(80, from("https")))
	require.Equal(t, 301, s.status(80, from("http")))
}

func TestWhereARequestEnteredTheMesh(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hops  int
		chain []string
		want  string
	}{
		{"the connection's address", 0, nil, "127.0.0.1"},
		{"whatever the caller says", 0, []string{"10.6.6.6"}, "127.0.0.1"},
		{"what the trusted proxy saw", 1, []string{"10.5.5.5, 10.6.6.6"}, "10.6.6.6"},
		{"in a header of its own", 1, []string{"10.5.5.5", "::1"}, "::1"},
		{"what the first of two saw", 2, []string{"10.5.5.5, 10.6.6.6"}, "10.5.5.5"},
		{"the connection's where there are fewer", 2, []string{"10.6.6.6"}, "127.0.0.1"},
		{"or where it is none", 1, []string{"unknown"}, "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+routed("app.example.com"), istio.GatewayConfig{TrustedHops: tt.hops})
			res, _, err := s.get(80, caller{header: http.Header{"X-Forwarded-For": tt.chain, "X-Envoy-External-Address": {"10.9.9.9"}}})
			require.NoError(t, err)
			require.Equal(t, tt.want, res.Header.Get("X-Seen-From"))
		})
	}
}

func TestARedirectOfARuleKnowsThePortThatGoesWithoutSaying(t *testing.T) {
	ca := certtest.NewCA()
	s := open(t, gatewayOf(
		"{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}",
		"{port: {number: 8080, name: more, protocol: HTTP}, hosts: ['*']}",
		httpsServer("https", "'*'", "mode: SIMPLE, credentialName: c"),
	)+routed("app.example.com"), istio.GatewayConfig{CredentialDir: folder(t, ca, "c", "app.example.com")})
	for port, want := range map[uint16]string{
		80: "http://app.example.com/new", 8080: "http://app.example.com:8080/new", 443: "https://app.example.com/new",
	} {
		c := caller{path: "/old"}
		if port == 443 {
			c.roots = ca
		}
		res, _, err := s.get(port, c)
		require.NoError(t, err)
		require.Equal(t, want, res.Header.Get("Location"))
	}
}

func TestWhatAGatewayRefusesToServe(t *testing.T) {
	ca := certtest.NewCA()
	dir := folder(t, ca, "c", "app.example.com")
	for _, tt := range []struct{ name, server, want string }{
		{"PASSTHROUGH", httpsServer("s", "a.com", "mode: PASSTHROUGH"), "tls.mode: is not carried out"},
		{"a server without HTTP", "{port: {number: 1, name: s, protocol: TCP}, hosts: [a.com]}", "HTTP and HTTPS are"},
		{"a credential that is not there", httpsServer("s", "a.com", "mode: SIMPLE, credentialName: none"), "tls.credentialName"},
		{"a credential outside of the folder", httpsServer("s", "a.com", "mode: SIMPLE, credentialName: ../c"), "cannot be the name of a folder"},
		{"MUTUAL without roots", httpsServer("s", "a.com", "mode: MUTUAL, credentialName: c"), "brings no certificate by which"},
		{"ISTIO_MUTUAL without an identity", httpsServer("s", "a.com", "mode: ISTIO_MUTUAL"), "has no identity"},
		{"files that are not there", httpsServer("s", "a.com", "mode: SIMPLE, serverCertificate: /none, privateKey: /none"), "tls.privateKey"},
		{"a bind of its own", "{port: {number: 80, name: s, protocol: HTTP}, bind: 127.0.0.2, hosts: [a.com]}", "bind: is not carried out: the gateway is not told to listen there"},
		{"a socket", "{port: {number: 0, name: s, protocol: HTTP}, bind: 'unix:///tmp/x', hosts: [a.com]}", "bind: is not carried out"},
		{"a list of revoked certificates that is not there", httpsServer("s", "a.com", "mode: MUTUAL, serverCertificate: /none, privateKey: /none, caCertificates: /none, caCrl: /none"), "tls.caCrl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := istio.NewGateway(parseWithApp(t, gatewayOf(tt.server)), istio.GatewayConfig{
				Workload: istio.Workload{Labels: gatewayLabels}, CredentialDir: dir,
			})
			require.ErrorContains(t, err, tt.want)
			for p := range mesh.Problems(err) {
				require.Contains(t, p.Source, "mesh.yaml", "the error names the place")
			}
		})
	}
	_, err := istio.NewGateway(parseWithApp(t, gatewayOf(httpsServer("s", "a.com", "mode: SIMPLE, credentialName: c"))), istio.GatewayConfig{Workload: istio.Workload{Labels: gatewayLabels}})
	require.ErrorContains(t, err, "no source of credentials")
	_, err = istio.NewGateway(parseWithApp(t, gatewayOf(httpsServer("s", "a.com", "mode: SIMPLE, credentialName: c"))), istio.GatewayConfig{})
	require.ErrorContains(t, err, "no such Gateway")
}

func TestAnUpdateTakesNewRoutesAndCertificatesOrNothing(t *testing.T) {
	old, next := certtest.NewCA(), certtest.NewCA()
	dir := folder(t, old, "c", "app.example.com", "new.example.com")
	server := httpsServer("https", "'*.example.com'", "mode: SIMPLE, credentialName: c")
	s := open(t, gatewayOf(server)+routed("app.example.com"), istio.GatewayConfig{CredentialDir: dir})
	require.Equal(t, 404, s.status(443, caller{roots: old, host: "new.example.com"}))

	putCredential(t, dir, next, "c", "app.example.com", "new.example.com")
	require.NoError(t, s.gateway.Update(parseWithApp(t, gatewayOf(server)+routed("new.example.com"))))
	require.Equal(t, 200, s.status(443, caller{roots: next, host: "new.example.com"}))
	_, _, err := s.get(443, caller{roots: old})
	require.Error(t, err)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "c", "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}), 0o600))
	require.Error(t, s.gateway.Update(parseWithApp(t, gatewayOf(server)+routed("app.example.com"))))
	require.Equal(t, 200, s.status(443, caller{roots: next, host: "new.example.com"}))
	require.Equal(t, 404, s.status(443, caller{roots: next, host: "app.example.com"}))
}

func TestAHandlerFindsThePortByTheConnection(t *testing.T) {
	ca := certtest.NewCA()
	s := open(t, gatewayOf(
		"{port: {number: 8080, name: high, protocol: HTTP}, hosts: [high.example.com]}",
		"{port: {number: 80, name: low, protocol: HTTP}, hosts: [low.example.com]}",
		httpsServer("https", "app.example.com", "mode: SIMPLE, credentialName: c"),
	)+routed("'*.example.com'"), istio.GatewayConfig{CredentialDir: folder(t, ca, "c", "app.example.com")})
	ask := func(port int, host string, state *tls.ConnectionState) int {
		r := httptest.NewRequest("GET", "/api", nil)
		r.Host, r.TLS = host, state
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{Port: port}))
		w := httptest.NewRecorder()
		s.gateway.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, 200, ask(8080, "high.example.com", nil))
	require.Equal(t, 200, ask(80, "low.example.com", nil))
	require.Equal(t, 404, ask(80, "high.example.com", nil))
	require.Equal(t, 200, ask(15000, "low.example.com", nil), "the lowest, behind a mapping of ports")
	require.Equal(t, 200, ask(15000, "app.example.com", &tls.ConnectionState{ServerName: "app.example.com"}))
	require.Equal(t, 404, ask(443, "app.example.com", nil), "without TLS there is nothing on this port")
	require.Nil(t, s.gateway.TLSConfig(80))
}

// The mesh may say that a load balancer stands before the gateway.
func TestTrustedProxiesBeforeAGateway(t *testing.T) {
	const resources = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: edge}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules: [{from: [{source: {remoteIpBlocks: [10.6.6.6]}}]}]
`
	const one = "\n---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ndefaultConfig: {gatewayTopology: {numTrustedProxies: 1}}\n"
	gateway := gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}") + routed("app.example.com") + resources
	ask := func(s *site, chain string) (int, string) {
		res, said, err := s.get(80, caller{header: http.Header{"X-Forwarded-For": {chain}, "X-Forwarded-Proto": {"https"}}})
		require.NoError(t, err)
		return res.StatusCode, said
	}
	for name, open := range map[string]func() *site{
		"said by the mesh": func() *site { return open(t, gateway+one, istio.GatewayConfig{}) },
		"said in Go":       func() *site { return open(t, gateway, istio.GatewayConfig{TrustedHops: 1}) },
		"said by a new mesh": func() *site {
			s := open(t, gateway, istio.GatewayConfig{})
			require.NoError(t, s.gateway.Update(parseWithApp(t, gateway+one)))
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open()
			status, _ := ask(s, "10.6.6.6")
			require.Equal(t, 403, status, "the balancer saw it")
			status, said := ask(s, "10.6.6.6, 10.7.7.7")
			require.Equal(t, 200, status, "a caller has written it")
			require.Contains(t, said, "proto=https", "the balancer ended TLS")
			require.Contains(t, said, "for=10.6.6.6, 10.7.7.7,127.0.0.1")
		})
	}
	s := open(t, gateway, istio.GatewayConfig{})
	status, said := ask(s, "10.6.6.6")
	require.Equal(t, 200, status, "nobody vouches for the address")
	require.Contains(t, said, "proto=http ")
}

func TestPoliciesHoldAtTheEdge(t *testing.T) {
	const policies = `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: edge}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules:
  - to: [{operation: {paths: [/api/secret*]}}]
  - from: [{source: {remoteIpBlocks: [10.6.6.6]}}]
`
	s := open(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+routed("app.example.com")+policies, istio.GatewayConfig{})
	require.Equal(t, 200, s.status(80, caller{}), "in plain text, as the Gateway says")
	require.Equal(t, 403, s.status(80, caller{path: "/api/secret/1"}))
	require.Equal(t, 403, s.status(80, caller{path: "/api/x/../secret"}))
	require.Equal(t, 200, s.status(80, caller{header: http.Header{"X-Forwarded-For": {"10.6.6.6"}}}), "nobody vouches for the address")

	allowed := strings.Replace(policies, "/api/secret*", "/none", 1)
	require.NoError(t, s.gateway.Update(parseWithApp(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+routed("app.example.com")+allowed)))
	require.Equal(t, 200, s.status(80, caller{path: "/api/secret/1"}))

	_, err := istio.NewGateway(parseWithApp(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+`
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec: {jwtRules: [{issuer: a, jwksUri: 'https://a/'}]}
`), istio.GatewayConfig{Workload: istio.Workload{Labels: gatewayLabels}})
	require.ErrorContains(t, err, "verifies tokens")
}
