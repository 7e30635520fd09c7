package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
)

// A handshake costs what crypto/tls takes for it: the second pair is that package
// alone, where both sides verify the same kind of certificates.
func BenchmarkHandshake(b *testing.B) {
	ca := certtest.NewCA()
	server, caller := newWorkload(b, ca, reviewsID), newWorkload(b, ca, frontendID)
	roots := x509.NewCertPool()
	require.True(b, roots.AppendCertsFromPEM(ca.PEM))
	cert, key := ca.Issue(reviewsID, func(c *x509.Certificate) { c.DNSNames = []string{"reviews"} })
	for _, c := range []struct {
		name           string
		client, server *tls.Config
	}{
		{"workload", caller.Client(server.ID()), server.Server()},
		{
			"crypto-tls",
			&tls.Config{Certificates: []tls.Certificate{issue(b, ca, frontendID)}, RootCAs: roots, ServerName: "reviews"},
			&tls.Config{Certificates: []tls.Certificate{pairOf(b, cert, key)}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert},
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				near, far := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					tls.Server(far, c.server).Handshake() //nolint:errcheck // the client tells
				}()
				if err := tls.Client(near, c.client).Handshake(); err != nil {
					b.Fatal(err)
				}
				<-done
				near.Close()
			}
		})
	}
}
