package mtls

import (
	"crypto/x509"
	"maps"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/peer"
)

// Handler puts the identity of the caller into the context of each request that
// came over mutual TLS, where [Peer] and authorization find it, and adds the
// caller's certificate to X-Forwarded-Client-Cert as a sidecar does. From requests
// in plain text, which could claim anything, it removes that header.
func (i *Identity) Handler(next http.Handler) http.Handler { return handler{i, next} }

type handler struct {
	identity *Identity
	next     http.Handler
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := h.identity.now.Load()
	claimed := r.Header[peer.ForwardedCert]
	cert, id, known := m.caller(r)
	if !known && r.TLS == nil && len(claimed) == 0 {
		h.next.ServeHTTP(w, r)
		return
	}
	principal := "" // also of a certificate that some other configuration let in
	if known {
		principal = id.Principal()
	}
	in := r.WithContext(peer.With(r.Context(), principal))
	in.Header = maps.Clone(r.Header)
	if known {
		in.Header[peer.ForwardedCert] = []string{strings.Join(append(claimed[:len(claimed):len(claimed)], peer.Forwarded(m.id.String(), cert, false)), ",")}
	} else {
		delete(in.Header, peer.ForwardedCert)
	}
	h.next.ServeHTTP(w, in)
	flow.HandBack(r, in)
}

// caller is who sent r, if crypto/tls verified a certificate of a workload.
func (m *material) caller(r *http.Request) (cert *x509.Certificate, id ID, known bool) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil, ID{}, false
	}
	cert = r.TLS.VerifiedChains[0][0]
	id, err := m.peer(cert)
	return cert, id, err == nil
}

// Peer is who sent r, if it came over mutual TLS.
func Peer(r *http.Request) (ID, bool) {
	id, err := ParseID("spiffe://" + peer.Identity(r))
	return id, err == nil
}
