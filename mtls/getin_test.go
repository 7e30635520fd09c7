package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

func uris(ids ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.URIs = nil
		for _, id := range ids {
			u, err := url.Parse(id)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, u)
		}
	}
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute)
}

func notYet(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
}

func usage(u ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = u }
}

// badCertificates are ways to claim an identity that no side of a connection may
// fall for. Each is issued for one usage only where that matters.
func badCertificates(ca *certtest.CA) map[string]func(id string) (cert, key []byte) {
	other := certtest.NewCA()
	changed := func(change func(*x509.Certificate)) func(string) ([]byte, []byte) {
		return func(id string) ([]byte, []byte) { return ca.Issue(id, change) }
	}
	claim := func(claimed ...string) func(string) ([]byte, []byte) { return changed(uris(claimed...)) }
	return map[string]func(string) ([]byte, []byte){
		"expired":               changed(expired),
		"not yet valid":         changed(notYet),
		"no URI":                claim(),
		"two SPIFFE ids":        claim(frontendID, reviewsID),
		"a SPIFFE id twice":     claim(frontendID, frontendID),
		"a SPIFFE id and a URL": claim(frontendID, "https://example.com"),
		"a URL":                 claim("https://cluster.local/ns/shop/sa/frontend"),
		"another trust domain":  claim("spiffe://other.local/ns/shop/sa/frontend"),
		"a trust domain below":  claim("spiffe://x.cluster.local/ns/shop/sa/frontend"),
		"a trust domain longer": claim("spiffe://cluster.localx/ns/shop/sa/frontend"),
		"a trust domain alone":  claim("spiffe://cluster.local"),
		"a port":                claim("spiffe://cluster.local:443/ns/shop/sa/frontend"),
		"a user":                claim("spiffe://cluster.local@cluster.local/ns/shop/sa/frontend"),
		"a query":               claim("spiffe://cluster.local/ns/shop/sa/frontend?x"),
		"no account":            claim("spiffe://cluster.local/ns/shop"),
		"more than an account":  claim("spiffe://cluster.local/ns/shop/sa/frontend/x"),
		"an escaped slash":      claim("spiffe://cluster.local/ns/shop%2Fsa/sa/frontend"),
		"the id as a name": changed(func(c *x509.Certificate) {
			c.URIs, c.DNSNames, c.Subject.CommonName = nil, []string{"cluster.local"}, frontendID
		}),
		"a CA's certificate": changed(func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
		}),
		"a usage of neither side": changed(usage(x509.ExtKeyUsageCodeSigning)),
		"another root":            func(id string) ([]byte, []byte) { return other.Issue(id) },
		"another root of the same name": func(id string) ([]byte, []byte) {
			cert, key := other.Issue(id)
			return append(cert, ca.PEM...), key
		},
		"signed by a workload": func(id string) ([]byte, []byte) {
			workload := ca.Sub(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
			cert, key := workload.Issue(id)
			return append(cert, workload.PEM...), key
		},
		"signed by an expired CA": func(id string) ([]byte, []byte) {
			sub := ca.Sub(expired)
			cert, key := sub.Issue(id)
			return append(cert, sub.PEM...), key
		},
		"a CA between that is not shown": func(id string) ([]byte, []byte) { return ca.Sub().Issue(id) },
		"a CA for other ids": func(id string) ([]byte, []byte) {
			sub := ca.Sub(func(c *x509.Certificate) {
				c.PermittedURIDomains, c.PermittedDNSDomainsCritical = []string{"other.local"}, true
			})
			cert, key := sub.Issue(id)
			return append(cert, sub.PEM...), key
		},
		"signed by nobody": func(id string) ([]byte, []byte) {
			// The certificate of a root with the id of a workload.
			root := certtest.NewCA()
			cert, key := root.Issue(id)
			return append(cert, root.PEM...), key
		},
	}
}

func TestCallersThatMustNotGetIn(t *testing.T) {
	ca := certtest.NewCA()
	addr := newWorkload(t, ca, reviewsID).server(t, mtls.Permissive)
	try := func(t *testing.T, certs ...tls.Certificate) {
		for _, http2 := range []bool{false, true} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				_, err := get(t, addr, &tls.Config{Certificates: certs, InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}, http2)
				require.Error(t, err)
			}
		}
	}
	for name, make := range badCertificates(ca) {
		t.Run(name, func(t *testing.T) {
			cert, key := make(frontendID)
			try(t, pairOf(t, cert, key))
		})
	}
	t.Run("a certificate for servers", func(t *testing.T) {
		cert, key := ca.Issue(frontendID, usage(x509.ExtKeyUsageServerAuth))
		try(t, pairOf(t, cert, key))
	})
	t.Run("no certificate", func(t *testing.T) { try(t) })
	t.Run("an old version of TLS", func(t *testing.T) {
		cert, key := ca.Issue(frontendID)
		_, err := get(t, addr, &tls.Config{Certificates: []tls.Certificate{pairOf(t, cert, key)}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false)
		require.Error(t, err)
	})
	t.Run("a certificate without its key", func(t *testing.T) {
		pair, own := issue(t, ca, frontendID), issue(t, ca, reviewsID)
		pair.PrivateKey = own.PrivateKey
		try(t, pair)
	})
	t.Run("a good one, to be sure", func(t *testing.T) {
		cert, key := ca.Issue(frontendID, usage(x509.ExtKeyUsageClientAuth))
		for _, http2 := range []bool{false, true} {
			body, err := get(t, addr, &tls.Config{Certificates: []tls.Certificate{pairOf(t, cert, key)}, InsecureSkipVerify: true}, http2)
			require.NoError(t, err)
			require.Contains(t, body, " true cluster.local/ns/shop/sa/frontend")
		}
	})
}

func TestServersThatMustNotBeBelieved(t *testing.T) {
	ca := certtest.NewCA()
	me := newWorkload(t, ca, frontendID)
	serve := func(t *testing.T, pair tls.Certificate) string {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.(*tls.Conn).Handshake() //nolint:errcheck // the client tells
				c.Close()
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return l.Addr().String()
	}
	dial := func(addr string, accept ...mtls.ID) error {
		c, err := tls.Dial("tcp", addr, me.Client(accept...))
		if err == nil {
			c.Close()
		}
		return err
	}
	for name, make := range badCertificates(ca) {
		t.Run(name, func(t *testing.T) {
			cert, key := make(reviewsID)
			require.Error(t, dial(serve(t, pairOf(t, cert, key))))
		})
	}
	t.Run("a certificate for clients", func(t *testing.T) {
		cert, key := ca.Issue(reviewsID, usage(x509.ExtKeyUsageClientAuth))
		require.Error(t, dial(serve(t, pairOf(t, cert, key))))
	})
	t.Run("another workload of the mesh", func(t *testing.T) {
		cert, key := ca.Issue(reviewsID)
		addr := serve(t, pairOf(t, cert, key))
		require.ErrorContains(t, dial(addr, mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "ratings"}), "which is not expected")
		require.NoError(t, dial(addr, mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "reviews"}))
		require.NoError(t, dial(addr), "any workload")
	})
}

func TestPlainTextAgainstStrict(t *testing.T) {
	ca := certtest.NewCA()
	addr := newWorkload(t, ca, reviewsID).server(t, mtls.Strict)
	for _, http2 := range []bool{false, true} {
		_, err := get(t, addr, nil, http2)
		require.Error(t, err)
	}
	for name, first := range map[string]string{
		"a request":                 "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"a first byte like TLS":     "\x16GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"a header like TLS":         "\x16\x03\x01\x00\x30GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: b\r\n\r\n",
		"an alert":                  "\x15\x03\x01\x00\x02\x01\x00GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"the preface of HTTP/2":     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"an SSLv2 hello":            "\x80\x2e\x01\x03\x01GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"the PROXY protocol":        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"an upgrade to TLS":         "OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n",
		"empty lines and a request": "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			c.Write([]byte(first))     //nolint:errcheck // it may be closed already
			answer, _ := io.ReadAll(c) // an alert of TLS at most
			require.NotContains(t, string(answer), "HTTP")
		})
	}
}

// A session is as good as the roots of now, whichever were in force when it began.
func TestASessionDoesNotOutliveItsRoot(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		oldCA, newCA := certtest.NewCA(), certtest.NewCA()
		server := newWorkload(t, oldCA, reviewsID)
		addr := server.server(t, mtls.Strict)
		cert, key := oldCA.Issue(frontendID)
		config := &tls.Config{
			Certificates: []tls.Certificate{pairOf(t, cert, key)}, InsecureSkipVerify: true,
			MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
		resumed := false
		config.VerifyConnection = func(s tls.ConnectionState) error { resumed = s.DidResume; return nil }
		for range 2 {
			_, err := get(t, addr, config, false)
			require.NoError(t, err)
		}
		require.True(t, resumed, "the second connection resumes the session of the first")

		// A new bundle with both roots: the session goes on.
		require.NoError(t, os.WriteFile(server.config.RootsFile, append(newCA.PEM, oldCA.PEM...), 0o600))
		require.NoError(t, server.Reload())
		_, err := get(t, addr, config, false)
		require.NoError(t, err)

		require.NoError(t, os.WriteFile(server.config.RootsFile, newCA.PEM, 0o600))
		require.NoError(t, server.Reload())
		_, err = get(t, addr, config, false)
		require.Error(t, err)
	}
}
