package istio_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
)

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
	require.NoError(t, s.gateway.Update(parseWithApp(t, resources)))
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
		g, err := istio.NewGateway(parseWithApp(t, gatewayOf(httpsServer("https", "app.example.com", "mode: SIMPLE, credentialName: c"))), istio.GatewayConfig{
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
