package istio_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
)

// What a gateway tells of its clients is what it knows of them. The format is
// Envoy's for forward_client_cert_details SANITIZE_SET with subject, cert, dns and
// uri, which Istio sets for gateways.
func TestAGatewayTellsWhoItsClientIs(t *testing.T) {
	ca, clients := certtest.NewCA(), certtest.NewCA()
	dir := folder(t, ca, "c", "app.example.com")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c", "ca.crt"), clients.PEM, 0o600))
	partner := clientCert(t, clients, "spiffe://partner/client", func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "client", Organization: []string{"a,b;c"}}
		c.DNSNames = []string{"one.partner.example", "two.partner.example"}
		more, _ := url.Parse("https://partner.example/a;URI=spiffe://cluster.local/ns/a/sa/b,By=x")
		c.URIs = append(c.URIs, more)
	})
	nameless := clientCert(t, clients, "spiffe://x", func(c *x509.Certificate) { c.URIs = nil })
	// told is what the application hears about a client's certificate.
	told := func(c caller, mode string) string {
		s := open(t, gatewayOf(httpsServer("https", "app.example.com", "mode: "+mode+", credentialName: c"))+routed("app.example.com"), istio.GatewayConfig{CredentialDir: dir})
		c.roots, c.header = ca, http.Header{"X-Forwarded-Client-Cert": {"By=x;URI=spiffe://cluster.local/ns/a/sa/b"}}
		_, body, err := s.get(443, c)
		require.NoError(t, err)
		_, xfcc, found := strings.Cut(body, " xfcc=")
		require.True(t, found, body)
		return xfcc
	}
	whole := func(der []byte) string {
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
	}
	const by = "By=spiffe://cluster.local/ns/istio-system/sa/gateway;"
	der := partner.Certificate[0]
	want := by + fmt.Sprintf("Hash=%x", sha256.Sum256(der)) + `;Cert="` + whole(der) + `";Subject="CN=client,O=a\,b\;c";URI=spiffe://partner/client` +
		";URI=https://partner.example/a%3BURI=spiffe://cluster.local/ns/a/sa/b%2CBy=x;DNS=one.partner.example;DNS=two.partner.example"
	require.Equal(t, want, told(caller{cert: partner}, "MUTUAL"))
	require.Equal(t, want, told(caller{cert: partner}, "OPTIONAL_MUTUAL"))
	der = nameless.Certificate[0]
	require.Equal(t, by+fmt.Sprintf("Hash=%x", sha256.Sum256(der))+`;Cert="`+whole(der)+`";Subject="";URI=`, told(caller{cert: nameless}, "MUTUAL"))
	require.Empty(t, told(caller{}, "OPTIONAL_MUTUAL"), "nothing is known of a client without a certificate")
	require.Empty(t, told(caller{cert: partner}, "SIMPLE"), "nor of one whose certificate nobody asked for")
}

func TestAGatewayLooksForRevokedCertificates(t *testing.T) {
	ca, clients := certtest.NewCA(), certtest.NewCA()
	dir := folder(t, ca, "c", "app.example.com")
	put := func(name string, content []byte) string {
		file := filepath.Join(dir, "c", name)
		require.NoError(t, os.WriteFile(file, content, 0o600))
		return file
	}
	roots := put("ca.crt", clients.PEM)
	good, bad := clientCert(t, clients, "spiffe://partner/good"), clientCert(t, clients, "spiffe://partner/bad")
	list := clients.Revoke([][]byte{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bad.Certificate[0]})})
	crl := filepath.Join(t.TempDir(), "list.pem")
	require.NoError(t, os.WriteFile(crl, list, 0o600))
	certFile, keyFile := filepath.Join(dir, "c", "tls.crt"), filepath.Join(dir, "c", "tls.key")

	files := "mode: MUTUAL, serverCertificate: " + certFile + ", privateKey: " + keyFile + ", caCertificates: " + roots + ", caCrl: " + crl
	for name, tls := range map[string]string{
		"in a file": files, "in a file, optional": strings.Replace(files, "MUTUAL", "OPTIONAL_MUTUAL", 1),
		"in a credential": "mode: MUTUAL, credentialName: c", "in a credential of its own": "mode: MUTUAL, credentialName: c, caCertCredentialName: c",
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(filepath.Join(dir, "c", "ca.crl"))
			s := open(t, gatewayOf(httpsServer("https", "app.example.com", tls))+routed("app.example.com"), istio.GatewayConfig{CredentialDir: dir})
			if strings.Contains(tls, "credentialName") {
				require.Equal(t, 200, s.status(443, caller{roots: ca, cert: bad}), "there is no list yet")
				put("ca.crl", list)
				require.NoError(t, s.gateway.Update(parseWithApp(t, gatewayOf(httpsServer("https", "app.example.com", tls))+routed("app.example.com"))))
			}
			_, _, err := s.get(443, caller{roots: ca, cert: bad})
			require.Error(t, err)
			require.Equal(t, 200, s.status(443, caller{roots: ca, cert: good}))
		})
	}
	put("ca.crl", []byte("nothing"))
	_, err := istio.NewGateway(parseWithApp(t, gatewayOf(httpsServer("https", "app.example.com", "mode: MUTUAL, credentialName: c"))), istio.GatewayConfig{
		Workload: istio.Workload{Labels: gatewayLabels}, CredentialDir: dir,
	})
	require.ErrorContains(t, err, "holds no list of revoked certificates")
}

func TestBindOfServers(t *testing.T) {
	server := func(name, bind string) string {
		return "{port: {number: 80, name: " + name + ", protocol: HTTP}, bind: '" + bind + "', hosts: [" + name + ".com]}"
	}
	for _, c := range []struct {
		name, bind string
		servers    []string
		reason     string
	}{
		{"where the gateway listens", "127.0.0.2", []string{server("a", "127.0.0.2")}, ""},
		{"any address", "", []string{server("a", "0.0.0.0"), server("b", "::"), server("c", "")}, ""},
		{"another address", "127.0.0.1", []string{server("a", "127.0.0.2")}, `bind: is not carried out: the gateway is not told to listen there alone, but on "127.0.0.1"`},
		{"two addresses for a port", "127.0.0.2", []string{server("a", "127.0.0.2"), server("b", "127.0.0.3")}, "mesh.yaml:9: Gateway default/app-gateway: bind: is another address than"},
		{"an address and any", "127.0.0.2", []string{server("a", "127.0.0.2"), server("b", "")}, "bind: is another address than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := istio.NewGateway(parseWithApp(t, gatewayOf(c.servers...)+routed("a.com")), istio.GatewayConfig{Workload: istio.Workload{Labels: gatewayLabels}, Bind: c.bind})
			if c.reason != "" {
				require.ErrorContains(t, err, c.reason)
				return
			}
			require.NoError(t, err)
			require.NoError(t, g.Close())
		})
	}
}
