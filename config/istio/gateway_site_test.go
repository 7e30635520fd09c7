package istio_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
		w.Header().Set("X-Seen-From", r.Header.Get("X-Envoy-External-Address"))
		fmt.Fprintf(w, "%s %s proto=%s for=%s xfcc=%s", r.Host, r.URL.Path, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Client-Cert"))
	}))
	t.Cleanup(app.Close)
	gc.Workload.Labels = gatewayLabels
	gc.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, app.Listener.Addr().String())
	}
	g, err := istio.NewGateway(parseWithApp(t, resources), gc)
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

// parseWithApp reads resources beside the service app.
func parseWithApp(t *testing.T, resources string) *istio.Config {
	t.Helper()
	return parse(t, resources+appService)
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
