package peer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/internal/peer"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestAnIdentityIsThatOfAVerifiedCertificate(t *testing.T) {
	ca := certtest.NewCA()
	issued := func(uris ...string) *x509.Certificate {
		text, _ := ca.Issue("spiffe://cluster.local/ns/a/sa/b", func(c *x509.Certificate) {
			c.URIs = nil
			for _, u := range uris {
				parsed, err := url.Parse(u)
				require.NoError(t, err)
				c.URIs = append(c.URIs, parsed)
			}
		})
		block, _ := pem.Decode(text)
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		return cert
	}
	one := issued("spiffe://cluster.local/ns/a/sa/b")
	verified := func(c *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
	}
	for _, tc := range []struct {
		name  string
		state *tls.ConnectionState
		want  string
	}{
		{"plain text", nil, ""},
		{"TLS without a certificate", &tls.ConnectionState{}, ""},
		{"a certificate that was not verified", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{one}}, ""},
		{"a verified certificate", verified(one), "cluster.local/ns/a/sa/b"},
		{"a certificate without an identity", verified(issued()), ""},
		{"a certificate with two", verified(issued("spiffe://cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/a/sa/c")), ""},
		{"a certificate with another sort of URI", verified(issued("https://cluster.local/ns/a/sa/b")), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.TLS = tc.state
			require.Equal(t, tc.want, peer.Identity(r))
			r = r.WithContext(peer.With(r.Context(), "told"))
			require.Equal(t, "told", peer.Identity(r), "what a layer outside has found goes first")
		})
	}
}

func TestClaimsAreThoseOfTheContext(t *testing.T) {
	require.Nil(t, peer.Claims(context.Background()))
	claims := map[string]any{"sub": "a"}
	require.Equal(t, claims, peer.Claims(peer.WithClaims(context.Background(), claims)))
}
