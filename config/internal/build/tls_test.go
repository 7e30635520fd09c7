package build

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/certtest"
)

const (
	spiffe = "spiffe://cluster.local/ns/shop/sa/reviews"
	caller = "spiffe://cluster.local/ns/shop/sa/productpage"
)

func alsoNamed(host string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = []string{host} }
}

// A secured server answers with the identity of its caller, or nothing for one
// without a certificate.
func secured(t *testing.T, ca *certtest.CA, auth tls.ClientAuthType) *httptest.Server {
	t.Helper()
	certPEM, keyPEM := ca.Issue(spiffe, alsoNamed("reviews.example"))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			io.WriteString(w, r.TLS.PeerCertificates[0].URIs[0].String())
		}
	}))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca.PEM))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: roots}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// world is a service at the server's address, spoken to with these settings.
func world(t *testing.T, s *httptest.Server, settings *networking.ClientTLSSettings, sans ...string) *plan.World {
	t.Helper()
	host, portText, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)
	port, err := strconv.Atoi(portText)
	require.NoError(t, err)
	return &plan.World{
		ServiceEntries: []plan.Object[*networking.ServiceEntry]{{Namespace: "default", Name: "reviews", Spec: &networking.ServiceEntry{
			Hosts: []string{"reviews.example"}, Resolution: networking.ServiceEntry_STATIC, SubjectAltNames: sans,
			Ports:     []*networking.ServicePort{{Number: 80, Name: "http", Protocol: "HTTP", TargetPort: uint32(port)}},
			Endpoints: []*networking.WorkloadEntry{{Address: host}},
		}}},
		DestinationRules: []plan.Object[*networking.DestinationRule]{{Namespace: "default", Name: "reviews", Source: "mesh.yaml:1", Spec: &networking.DestinationRule{
			Host: "reviews.example", TrafficPolicy: &networking.TrafficPolicy{Tls: settings},
		}}},
	}
}

func client(t *testing.T, w *plan.World) *Mesh {
	t.Helper()
	m, err := New(w, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// ask is what the server says, or why it cannot be asked.
func ask(t *testing.T, m *Mesh) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews.example/", nil)
	require.NoError(t, err)
	res, err := m.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if failed := mesh.ErrorOf(res); failed != nil {
		return res.StatusCode, failed.Error()
	}
	return res.StatusCode, string(body)
}

func TestTLSToADestination(t *testing.T) {
	ca, foreign := certtest.NewCA(), certtest.NewCA()
	cert, key, roots := ca.Write(t.TempDir(), caller)
	_, _, others := foreign.Write(t.TempDir(), caller)
	type settings = networking.ClientTLSSettings
	const (
		simple = networking.ClientTLSSettings_SIMPLE
		mutual = networking.ClientTLSSettings_MUTUAL
	)
	for _, tc := range []struct {
		name     string
		auth     tls.ClientAuthType
		settings *settings
		sans     []string // of the ServiceEntry
		status   int
		says     string
	}{
		{"a server known by the name that was asked for", 0, &settings{Mode: simple, CaCertificates: roots}, nil, 200, ""},
		{"a server known by the name configured", 0, &settings{Mode: simple, CaCertificates: roots, Sni: "reviews.example"}, nil, 200, ""},
		{"a server of another name", 0, &settings{Mode: simple, CaCertificates: roots, Sni: "ratings.example"}, nil, 503, "certificate"},
		{"a server of another name, not looked at", 0, &settings{Mode: simple, Sni: "ratings.example", InsecureSkipVerify: wrapperspb.Bool(true)}, nil, 200, ""},
		{"a server of other roots", 0, &settings{Mode: simple, CaCertificates: others}, nil, 503, "certificate"},
		{"a server whose roots are not the system's", 0, &settings{Mode: simple}, nil, 503, "certificate"},
		{"an alternative name that is a DNS name", 0, &settings{Mode: simple, CaCertificates: roots, Sni: "x.example", SubjectAltNames: []string{"other", "reviews.example"}}, nil, 200, ""},
		{"an alternative name that is a URI", 0, &settings{Mode: simple, CaCertificates: roots, SubjectAltNames: []string{spiffe}}, nil, 200, ""},
		{"alternative names that the server has none of", 0, &settings{Mode: simple, CaCertificates: roots, SubjectAltNames: []string{caller}}, nil, 503, "certificate"},
		{"an alternative name under other roots", 0, &settings{Mode: simple, CaCertificates: others, SubjectAltNames: []string{spiffe}}, nil, 503, "certificate"},
		{"alternative names of the ServiceEntry", 0, &settings{Mode: simple, CaCertificates: roots}, []string{caller}, 503, "certificate"},
		{"alternative names of the rule before those of the ServiceEntry", 0, &settings{Mode: simple, CaCertificates: roots, SubjectAltNames: []string{spiffe}}, []string{caller}, 200, ""},
		{"a certificate of the client", tls.RequireAndVerifyClientCert, &settings{Mode: mutual, CaCertificates: roots, ClientCertificate: cert, PrivateKey: key}, nil, 200, caller},
		{"a certificate of the client that is not asked for", 0, &settings{Mode: mutual, CaCertificates: roots, ClientCertificate: cert, PrivateKey: key}, nil, 200, ""},
		{"no certificate where one is asked for", tls.RequireAndVerifyClientCert, &settings{Mode: simple, CaCertificates: roots}, nil, 503, "certificate"},
		{"plain text to a server of TLS", 0, &settings{Mode: networking.ClientTLSSettings_DISABLE}, nil, 400, "HTTP request to an HTTPS server"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := client(t, world(t, secured(t, ca, tc.auth), tc.settings, tc.sans...))
			status, text := ask(t, m)
			require.Equal(t, tc.status, status, text)
			require.Contains(t, text, tc.says)
		})
	}
}

func TestAClientsCertificateIsReadAgainForEachConnection(t *testing.T) {
	ca := certtest.NewCA()
	s := secured(t, ca, tls.RequireAndVerifyClientCert)
	s.Config.SetKeepAlivesEnabled(false) // a request, a connection
	dir := t.TempDir()
	cert, key, roots := ca.Write(dir, caller)
	m := client(t, world(t, s, &networking.ClientTLSSettings{
		Mode: networking.ClientTLSSettings_MUTUAL, CaCertificates: roots, ClientCertificate: cert, PrivateKey: key,
	}))
	_, text := ask(t, m)
	require.Equal(t, caller, text)
	ca.Write(dir, spiffe)
	_, text = ask(t, m)
	require.Equal(t, spiffe, text)
	require.NoError(t, os.WriteFile(key, []byte("half of a k"), 0o600))
	_, text = ask(t, m)
	require.Equal(t, spiffe, text, "the last good pair stays in force")
}

func TestRootsAreReadAgainForEachConnection(t *testing.T) {
	ca, foreign := certtest.NewCA(), certtest.NewCA()
	s := secured(t, ca, tls.NoClientCert)
	s.Config.SetKeepAlivesEnabled(false) // a request, a connection
	dir := t.TempDir()
	_, _, roots := ca.Write(dir, caller)
	m := client(t, world(t, s, &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_SIMPLE, CaCertificates: roots}))
	status, text := ask(t, m)
	require.Equal(t, http.StatusOK, status, text)
	require.NoError(t, os.WriteFile(roots, foreign.PEM, 0o600))
	status, _ = ask(t, m)
	require.Equal(t, http.StatusServiceUnavailable, status, "the server's root was taken away")
	require.NoError(t, os.WriteFile(roots, ca.PEM, 0o600))
	status, _ = ask(t, m)
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, os.WriteFile(roots, []byte("half of a file"), 0o600))
	status, _ = ask(t, m)
	require.Equal(t, http.StatusOK, status, "the last good roots stay in force")
}

func TestProblemsOfTLS(t *testing.T) {
	ca := certtest.NewCA()
	s := secured(t, ca, 0)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err := New(world(t, s, &networking.ClientTLSSettings{
		Mode: networking.ClientTLSSettings_MUTUAL, CaCertificates: empty, ClientCertificate: empty, PrivateKey: "no-such-file",
	}), Options{})
	problems := slices.Collect(mesh.Problems(err))
	require.Len(t, problems, 2)
	require.ErrorContains(t, problems[0], "mesh.yaml:1: trafficPolicy.tls.caCertificates: cannot be used: it holds no certificate")
	require.ErrorContains(t, problems[1], "mesh.yaml:1: trafficPolicy.tls.clientCertificate: cannot be used: open no-such-file")

	_, err = New(world(t, s, &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_SIMPLE, CaCertificates: "no-such-file"}), Options{})
	require.ErrorContains(t, err, "trafficPolicy.tls.caCertificates: cannot be used: open no-such-file")

	_, err = New(world(t, s, &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_ISTIO_MUTUAL}), Options{})
	require.ErrorContains(t, err, "trafficPolicy.tls.mode: ")
	require.ErrorContains(t, err, "identity")
}

// A server whose certificate its authority has revoked is not believed.
func TestAClientLooksForRevokedCertificates(t *testing.T) {
	ca := certtest.NewCA()
	s := secured(t, ca, tls.NoClientCert)
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, content, 0o600))
		return file
	}
	settings := &networking.ClientTLSSettings{
		Mode: networking.ClientTLSSettings_SIMPLE, CaCertificates: put("roots.pem", ca.PEM), CaCrl: put("crl.pem", ca.Revoke(nil)), SubjectAltNames: []string{spiffe},
	}
	m, err := New(world(t, s, settings), Options{})
	require.NoError(t, err)
	defer m.Close()
	send := func() error {
		r := httptest.NewRequest("GET", "http://reviews.example/", nil)
		r.RequestURI = ""
		r.Close = true
		res, err := m.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
		return mesh.ErrorOf(res)
	}
	require.NoError(t, send())
	put("crl.pem", []byte("being written"))
	require.NoError(t, send(), "the last good list stays")
	put("crl.pem", ca.Revoke([][]byte{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.TLS.Certificates[0].Certificate[0]})}))
	require.ErrorContains(t, send(), "is revoked")

	settings.CaCrl = filepath.Join(dir, "none.pem")
	_, err = New(world(t, s, settings), Options{})
	require.ErrorContains(t, err, "tls.caCrl")
}
