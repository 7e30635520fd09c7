package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
)

// appRoutes binds a service to the article's app-gateway.
const appRoutes = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app.example.com]
  gateways: [app-gateway]
  http: [{match: [{uri: {prefix: /api}}], route: [{destination: {host: app}}]}]
`

// appAt is the service app, at a port here.
func appAt(port string) string {
	return `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: app}
spec:
  hosts: [app.default.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ` + port + `}}]
`
}

// articleGateway is the Gateway of the article with a route to a port here.
func articleGateway(t *testing.T, port string) string {
	seed, err := os.ReadFile("../../conformance/testdata/seeds/service-mesh.yaml")
	require.NoError(t, err)
	gateway, _, _ := strings.Cut(string(seed), "\n---")
	require.Contains(t, gateway, "name: app-gateway")
	return file(t, "gateway.yaml", gateway+appRoutes+appAt(port))
}

// browse asks an address for a URL as a client that trusts ca.
func browse(t *testing.T, ca *certtest.CA, address, url string) (status int, body string, err error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func TestTheArticlesGatewayOverHTTPAndHTTPS(t *testing.T) {
	ca, dir := certtest.NewCA(), t.TempDir()
	certFile, keyFile, _ := ca.Write(dir, "spiffe://cluster.local/ns/default/sa/gateway", func(c *x509.Certificate) { c.DNSNames = []string{"app.example.com"} })
	resources := articleGateway(t, server(t, "app", nil))

	p := start(t, "-f", resources, "-mode", "gateway", "-labels", "istio=ingressgateway", "-cert", certFile, "-key", keyFile, "-listen-tls", "127.0.0.1:0")
	_, after, _ := strings.Cut(p.errs.String(), "address=")
	overTLS := strings.Fields(after)[0]
	for url, address := range map[string]string{"http://app.example.com/api": p.address, "https://app.example.com/api": overTLS} {
		status, body, err := browse(t, ca, address, url)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, "app", body)
	}
	status, _, err := browse(t, ca, p.address, "http://other.example.com/api")
	require.NoError(t, err)
	require.Equal(t, 404, status)
	_, _, err = browse(t, ca, overTLS, "https://other.example.com/api")
	require.Error(t, err, "no server is for the name")
}

func TestAGatewayServesThePortThatIsAskedFor(t *testing.T) {
	ca, dir := certtest.NewCA(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "app-tls"), 0o700))
	cert, key := ca.Issue("spiffe://cluster.local/ns/default/sa/gateway", func(c *x509.Certificate) { c.DNSNames = []string{"app.example.com"} })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app-tls", "tls.crt"), cert, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app-tls", "tls.key"), key, 0o600))
	p := start(t, "-f", articleGateway(t, server(t, "app", nil)), "-mode", "gateway", "-gateway", "default/app-gateway", "-port", "443", "-credentials", dir)
	status, body, err := browse(t, ca, p.address, "https://app.example.com/api")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Equal(t, "app", body)
	status, _, err = browse(t, ca, p.address, "http://app.example.com/api")
	require.NoError(t, err)
	require.Equal(t, 400, status, "plain text on a port with TLS")
}

func TestGatewaysThatDoNotStart(t *testing.T) {
	resources := articleGateway(t, "1")
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"nobody is selected", []string{"-labels", "istio=other"}, "no such Gateway"},
		{"no certificate", []string{"-labels", "istio=ingressgateway"}, "credentialName"},
		{"a certificate that is not there", []string{"-labels", "istio=ingressgateway", "-cert", "/no/cert", "-key", "/no/key"}, "for app-tls: open /no/cert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, stderr := invoke(t, append([]string{"proxy", "-listen", "127.0.0.1:0", "-f", resources, "-mode", "gateway"}, tt.args...)...)
			require.Equal(t, exitFailed, status)
			require.Contains(t, stderr, tt.says)
		})
	}
}
