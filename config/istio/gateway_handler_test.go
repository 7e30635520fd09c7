package istio_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
)

// A site is a gateway that listens on every port that its resources serve.
type site struct {
	t       *testing.T
	gateway *istio.Gateway
	addrs   map[uint16]string
}

var gatewayLabels = map[string]string{"istio": "ingressgateway"}

// open serves resources. The service app says what it was asked.
func open(t *testing.T, resources string, gc istio.GatewayConfig) *site {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s proto=%s for=%s xfcc=%s", r.Host, r.URL.Path, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Client-Cert"))
	}))
	t.Cleanup(app.Close)
	gc.Workload.Labels = gatewayLabels
	gc.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, app.Listener.Addr().String())
	}
	g, err := istio.NewGateway(parsed(t, resources), gc)
	require.NoError(t, err)
	t.Cleanup(func() { g.Close() })
	s := &site{t, g, map[uint16]string{}}
	plain, secure := g.Ports()
	for _, port := range append(plain, secure...) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &http.Server{Handler: g.Handler(port), TLSConfig: g.TLSConfig(port), ErrorLog: log.New(io.Discard, "", 0)}
		ended := make(chan error, 1)
		go func() {
			if server.TLSConfig == nil {
				ended <- server.Serve(listener)
			} else {
				ended <- server.ServeTLS(listener, "", "")
			}
		}()
		t.Cleanup(func() {
			server.Close()
			<-ended
		})
		s.addrs[port] = listener.Addr().String()
	}
	return s
}

func parsed(t *testing.T, resources string) *istio.Config {
	t.Helper()
	c, err := istio.Parse("gateway.yaml", strings.NewReader(resources+appService))
	require.NoError(t, err)
	return c
}

const appService = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: app}
spec:
  hosts: [app.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
`

// routed is a VirtualService of app-gateway that sends hosts to app.
func routed(hosts string) string {
	return `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [` + hosts + `]
  gateways: [app-gateway]
  http:
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /new, derivePort: FROM_REQUEST_PORT}
  - match: [{uri: {prefix: /api}}]
    route: [{destination: {host: app}}]
`
}

// gatewayOf is app-gateway with servers in the form of YAML's flows.
func gatewayOf(servers ...string) string {
	return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: app-gateway}
spec:
  selector: {istio: ingressgateway}
  servers:
  - ` + strings.Join(servers, "\n  - ")
}

func httpsServer(name, hosts, tls string) string {
	return "{port: {number: 443, name: " + name + ", protocol: HTTPS}, hosts: [" + hosts + "], tls: {" + tls + "}}"
}

// A caller is what a client of a gateway brings.
type caller struct {
	host    string // empty is app.example.com
	name    string // for SNI; empty is the host
	path    string // empty is /api
	roots   *certtest.CA
	cert    *tls.Certificate
	version uint16
	header  http.Header

	sessions tls.ClientSessionCache
}

// get asks a port of the gateway.
func (s *site) get(port uint16, c caller) (*http.Response, string, error) {
	s.t.Helper()
	host, scheme := cmp.Or(c.host, "app.example.com"), "http"
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.addrs[port])
		},
		TLSClientConfig: &tls.Config{ServerName: c.name, MaxVersion: c.version, ClientSessionCache: c.sessions},
	}
	if c.roots != nil {
		scheme = "https"
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(c.roots.PEM)
	}
	if c.cert != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*c.cert}
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("GET", scheme+"://"+host+cmp.Or(c.path, "/api"), nil)
	require.NoError(s.t, err)
	if c.header != nil {
		r.Header = c.header
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func (s *site) status(port uint16, c caller) int {
	s.t.Helper()
	res, _, err := s.get(port, c)
	require.NoError(s.t, err)
	return res.StatusCode
}

// folder makes a CredentialDir with a certificate for names.
func folder(t *testing.T, ca *certtest.CA, credential string, names ...string) string {
	dir := t.TempDir()
	putCredential(t, dir, ca, credential, names...)
	return dir
}

func putCredential(t *testing.T, dir string, ca *certtest.CA, credential string, names ...string) {
	cert, key := ca.Issue("spiffe://cluster.local/ns/istio-system/sa/gateway", func(c *x509.Certificate) { c.DNSNames = names })
	at := filepath.Join(dir, credential)
	require.NoError(t, os.MkdirAll(at, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(at, "tls.crt"), cert, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(at, "tls.key"), key, 0o600))
}

func clientCert(t *testing.T, ca *certtest.CA, id string, change ...func(*x509.Certificate)) *tls.Certificate {
	cert, key := ca.Issue(id, change...)
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(t, err)
	return &pair
}

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
		"none.example.com":     "https://none.example.com/api/x?a=b",
	} {
		res, _, err := s.get(80, caller{host: host, path: "/api/x?a=b", header: http.Header{"X-Forwarded-Proto": {"https"}}})
		require.NoError(t, err)
		require.Equal(t, 301, res.StatusCode)
		require.Equal(t, location, res.Header.Get("Location"))
	}
	require.Equal(t, 404, s.status(80, caller{host: "example.org"}))
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

func TestTheServerIsThatOfTheNameAskedFor(t *testing.T) {
	one, two, rest := certtest.NewCA(), certtest.NewCA(), certtest.NewCA()
	dir := folder(t, one, "one", "app.example.com")
	putCredential(t, dir, two, "two", "*.example.com", "*.a.example.com")
	putCredential(t, dir, rest, "rest", "example.org", "a.b.c")
	s := open(t, gatewayOf(
		httpsServer("rest", "'*'", "mode: SIMPLE, credentialName: rest"),
		httpsServer("wild", "'*.example.com'", "mode: SIMPLE, credentialName: two"),
		httpsServer("exact", "app.example.com", "mode: SIMPLE, credentialName: one"),
	)+routed("'*'"), istio.GatewayConfig{CredentialDir: dir})
	for name, ca := range map[string]*certtest.CA{
		"app.example.com": one, "APP.example.com": one, "b.example.com": two, "b.a.example.com": two, "example.org": rest,
	} {
		require.Equal(t, 200, s.status(443, caller{host: name, roots: ca}), name)
	}
}

func TestWhichClientsMayConnect(t *testing.T) {
	ca, clients := certtest.NewCA(), certtest.NewCA()
	dir := folder(t, ca, "c", "app.example.com")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c", "ca.crt"), clients.PEM, 0o600))
	putCredential(t, dir, ca, "split", "app.example.com")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "split-cacert"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "split-cacert", "ca.crt"), clients.PEM, 0o600))
	roots := filepath.Join(dir, "roots.pem")
	require.NoError(t, os.WriteFile(roots, clients.PEM, 0o600))
	certFile, keyFile := filepath.Join(dir, "c", "tls.crt"), filepath.Join(dir, "c", "tls.key")

	good := clientCert(t, clients, "spiffe://partner/client")
	leaf, err := x509.ParseCertificate(good.Certificate[0])
	require.NoError(t, err)
	spki, hash := sha256.Sum256(leaf.RawSubjectPublicKeyInfo), sha256.Sum256(leaf.Raw)
	key, fingerprint := base64.StdEncoding.EncodeToString(spki[:]), hex.EncodeToString(hash[:])
	foreign := clientCert(t, certtest.NewCA(), "spiffe://partner/client")
	serverOnly := clientCert(t, clients, "spiffe://partner/client", func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	expired := clientCert(t, clients, "spiffe://partner/client", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(1) })
	other := clientCert(t, clients, "spiffe://partner/other")

	for _, tt := range []struct {
		name string
		tls  string
		cert *tls.Certificate
		ok   bool
	}{
		{"SIMPLE asks for none", "mode: SIMPLE, credentialName: c", nil, true},
		{"SIMPLE does not mind a foreign one", "mode: SIMPLE, credentialName: c", foreign, true},
		{"SIMPLE with files", "mode: SIMPLE, serverCertificate: " + certFile + ", privateKey: " + keyFile, nil, true},
		{"SIMPLE with a list of files", "mode: SIMPLE, tlsCertificates: [{serverCertificate: " + certFile + ", privateKey: " + keyFile + "}]", nil, true},
		{"SIMPLE with a list of credentials", "mode: SIMPLE, credentialNames: [c]", nil, true},
		{"MUTUAL needs one", "mode: MUTUAL, credentialName: c", nil, false},
		{"MUTUAL takes a good one", "mode: MUTUAL, credentialName: c", good, true},
		{"MUTUAL with the roots in a secret of their own", "mode: MUTUAL, credentialName: split", good, true},
		{"MUTUAL with the roots in a secret that is named", "mode: MUTUAL, credentialName: split, caCertCredentialName: c", good, true},
		{"MUTUAL with files", "mode: MUTUAL, serverCertificate: " + certFile + ", privateKey: " + keyFile + ", caCertificates: " + roots, good, true},
		{"MUTUAL refuses one of another root", "mode: MUTUAL, credentialName: c", foreign, false},
		{"MUTUAL refuses one that is not for clients", "mode: MUTUAL, credentialName: c", serverOnly, false},
		{"MUTUAL refuses one that has expired", "mode: MUTUAL, credentialName: c", expired, false},
		{"OPTIONAL_MUTUAL needs none", "mode: OPTIONAL_MUTUAL, credentialName: c", nil, true},
		{"OPTIONAL_MUTUAL takes a good one", "mode: OPTIONAL_MUTUAL, credentialName: c", good, true},
		{"OPTIONAL_MUTUAL refuses a bad one", "mode: OPTIONAL_MUTUAL, credentialName: c", foreign, false},
		{"subjectAltNames that fit", "mode: MUTUAL, credentialName: c, subjectAltNames: [x, 'spiffe://partner/client']", good, true},
		{"subjectAltNames that do not", "mode: MUTUAL, credentialName: c, subjectAltNames: ['spiffe://partner/client']", other, false},
		{"verifyCertificateSpki that fits", "mode: MUTUAL, credentialName: c, verifyCertificateSpki: ['" + key + "']", good, true},
		{"verifyCertificateSpki that does not", "mode: MUTUAL, credentialName: c, verifyCertificateSpki: ['" + key + "']", other, false},
		{"verifyCertificateHash that fits", "mode: MUTUAL, credentialName: c, verifyCertificateHash: ['" + strings.ToUpper(fingerprint) + "']", good, true},
		{"verifyCertificateHash that does not", "mode: MUTUAL, credentialName: c, verifyCertificateHash: ['" + fingerprint + "']", other, false},
		{"one of both is enough", "mode: MUTUAL, credentialName: c, verifyCertificateHash: ['" + strings.Repeat("0", 64) + "'], verifyCertificateSpki: ['" + key + "']", good, true},
		{"and does not make up for the root", "mode: MUTUAL, credentialName: c, caCertCredentialName: others, verifyCertificateSpki: ['" + key + "']", good, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "others"), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "others", "ca.crt"), certtest.NewCA().PEM, 0o600))
			s := open(t, gatewayOf(httpsServer("https", "app.example.com", tt.tls))+routed("app.example.com"), istio.GatewayConfig{CredentialDir: dir})
			res, _, err := s.get(443, caller{roots: ca, cert: tt.cert})
			if !tt.ok {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 200, res.StatusCode)
		})
	}
}

func TestVersionsOfTLS(t *testing.T) {
	ca := certtest.NewCA()
	dir := folder(t, ca, "c", "app.example.com")
	for _, tt := range []struct {
		settings string
		client   uint16
		ok       bool
	}{
		{"", tls.VersionTLS12, true},
		{"", tls.VersionTLS11, false},
		{", minProtocolVersion: TLSV1_3", tls.VersionTLS12, false},
		{", minProtocolVersion: TLSV1_3", tls.VersionTLS13, true},
		{", maxProtocolVersion: TLSV1_2", tls.VersionTLS13, true},
		{", maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256, NONE]", tls.VersionTLS12, true},
		{", maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]", tls.VersionTLS12, false}, // the key is not RSA's
	} {
		s := open(t, gatewayOf(httpsServer("https", "app.example.com", "mode: SIMPLE, credentialName: c"+tt.settings))+routed("app.example.com"), istio.GatewayConfig{CredentialDir: dir})
		_, _, err := s.get(443, caller{roots: ca, version: tt.client})
		require.Equal(t, tt.ok, err == nil, "%s with %s: %v", tt.settings, tls.VersionName(tt.client), err)
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
			_, err := istio.NewGateway(parsed(t, gatewayOf(tt.server)), istio.GatewayConfig{
				Workload: istio.Workload{Labels: gatewayLabels}, CredentialDir: dir,
			})
			require.ErrorContains(t, err, tt.want)
			for p := range mesh.Problems(err) {
				require.Contains(t, p.Source, "gateway.yaml", "the error names the place")
			}
		})
	}
	_, err := istio.NewGateway(parsed(t, gatewayOf(httpsServer("s", "a.com", "mode: SIMPLE, credentialName: c"))), istio.GatewayConfig{Workload: istio.Workload{Labels: gatewayLabels}})
	require.ErrorContains(t, err, "no source of credentials")
	_, err = istio.NewGateway(parsed(t, gatewayOf(httpsServer("s", "a.com", "mode: SIMPLE, credentialName: c"))), istio.GatewayConfig{})
	require.ErrorContains(t, err, "no such Gateway")
}

func TestAnUpdateTakesNewRoutesAndCertificatesOrNothing(t *testing.T) {
	old, next := certtest.NewCA(), certtest.NewCA()
	dir := folder(t, old, "c", "app.example.com", "new.example.com")
	server := httpsServer("https", "'*.example.com'", "mode: SIMPLE, credentialName: c")
	s := open(t, gatewayOf(server)+routed("app.example.com"), istio.GatewayConfig{CredentialDir: dir})
	require.Equal(t, 404, s.status(443, caller{roots: old, host: "new.example.com"}))

	putCredential(t, dir, next, "c", "app.example.com", "new.example.com")
	require.NoError(t, s.gateway.Update(parsed(t, gatewayOf(server)+routed("new.example.com"))))
	require.Equal(t, 200, s.status(443, caller{roots: next, host: "new.example.com"}))
	_, _, err := s.get(443, caller{roots: old})
	require.Error(t, err)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "c", "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}), 0o600))
	require.Error(t, s.gateway.Update(parsed(t, gatewayOf(server)+routed("app.example.com"))))
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
	require.NoError(t, s.gateway.Update(parsed(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+routed("app.example.com")+allowed)))
	require.Equal(t, 200, s.status(80, caller{path: "/api/secret/1"}))

	_, err := istio.NewGateway(parsed(t, gatewayOf("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")+`
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec: {jwtRules: [{issuer: a, jwksUri: 'https://a/'}]}
`), istio.GatewayConfig{Workload: istio.Workload{Labels: gatewayLabels}})
	require.ErrorContains(t, err, "verifies tokens")
}

func TestASessionDoesNotOutliveTheRootsOfItsClient(t *testing.T) {
	ca, clients := certtest.NewCA(), certtest.NewCA()
	dir := folder(t, ca, "c", "app.example.com")
	roots := filepath.Join(dir, "c", "ca.crt")
	require.NoError(t, os.WriteFile(roots, clients.PEM, 0o600))
	resources := gatewayOf(httpsServer("https", "app.example.com", "mode: MUTUAL, credentialName: c")) + routed("app.example.com")
	s := open(t, resources, istio.GatewayConfig{CredentialDir: dir})
	cache := tls.NewLRUClientSessionCache(1)
	c := caller{roots: ca, cert: clientCert(t, clients, "spiffe://partner/client"), sessions: cache}
	res, _, err := s.get(443, c)
	require.NoError(t, err)
	require.False(t, res.TLS.DidResume)
	res, _, err = s.get(443, c)
	require.NoError(t, err)
	require.True(t, res.TLS.DidResume)

	require.NoError(t, os.WriteFile(roots, certtest.NewCA().PEM, 0o600))
	require.NoError(t, s.gateway.Update(parsed(t, resources)))
	_, _, err = s.get(443, c)
	require.Error(t, err)
}

func TestCertificatesRotateWhileTheGatewayRuns(t *testing.T) {
	ca := certtest.NewCA()
	issue := func() istio.Credential {
		cert, key := ca.Issue("spiffe://cluster.local/ns/a/sa/b", func(c *x509.Certificate) { c.DNSNames = []string{"app.example.com"} })
		return istio.Credential{Certificate: cert, Key: key}
	}
	synctest.Test(t, func(t *testing.T) {
		one, two := issue(), issue()
		var current atomic.Pointer[istio.Credential]
		current.Store(&one)
		var said strings.Builder
		g, err := istio.NewGateway(parsed(t, gatewayOf(httpsServer("https", "app.example.com", "mode: SIMPLE, credentialName: c"))), istio.GatewayConfig{
			Workload:    istio.Workload{Labels: gatewayLabels},
			Credentials: func(string) (istio.Credential, error) { return *current.Load(), nil },
			Logger:      slog.New(slog.NewTextHandler(&said, nil)),
		})
		require.NoError(t, err)
		defer g.Close()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		served := func() *tls.Config {
			c, err := g.TLSConfig(443).GetConfigForClient(&tls.ClientHelloInfo{ServerName: "app.example.com"})
			require.NoError(t, err)
			return c
		}
		shows := func(want istio.Credential) {
			block, _ := pem.Decode(want.Certificate)
			require.Equal(t, block.Bytes, served().Certificates[0].Certificate[0])
		}
		later := func() {
			time.Sleep(11 * time.Second)
			synctest.Wait()
		}
		before := served()
		later()
		require.Same(t, before, served(), "nothing has changed")

		current.Store(&two)
		later()
		shows(two)
		current.Store(&istio.Credential{Certificate: one.Certificate, Key: two.Key})
		later()
		later()
		shows(two)
		require.Equal(t, 1, strings.Count(said.String(), "the last good ones stay in force"))
		current.Store(&one)
		later()
		shows(one)
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
