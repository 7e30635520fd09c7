package peer_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/peer"
)

// An element as the grammar of the header has it: no part of a certificate ends it,
// or adds to it, before its time.
var element = regexp.MustCompile(`^(?:By=[^;,"]*;)?Hash=[0-9a-f]{64};Cert="[^"]*";Subject="(?:[^"\\\r\n]|\\[^\r\n])*";URI=[^;,"\r\n]*(?:;DNS=[^;,="\r\n]*)?$`)

// Whatever stands in a certificate, it is told as one element.
func FuzzForwarded(f *testing.F) {
	f.Add("O=a", "/ns/a/sa/b", "a.example", "spiffe://a/ns/b/sa/c")
	f.Add(`a";URI=spiffe://x`, `/a;URI=x,By=y"`, "a,b", `x";y`)
	f.Add("a\\", "/%", "a;b", "")
	f.Add("a\r\nb\x00", "/\r\n", "a\r\n", "\\")
	f.Fuzz(func(t *testing.T, name, path, dns, by string) {
		cert := &x509.Certificate{Raw: []byte(name), Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{{Scheme: "spiffe", Host: "a", Path: path}}, DNSNames: []string{dns}}
		require.Regexp(t, element, peer.Forwarded(by, cert, true))
	})
}
