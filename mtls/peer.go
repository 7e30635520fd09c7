package mtls

import (
	"crypto/x509"
	"net/http"

	"github.com/sidecarless/mesh/internal/peer"
)

// Handler puts the identity of the caller into the context of each request that
// came over mutual TLS, where [Peer] and authorization find it.
func (i *Identity) Handler(next http.Handler) http.Handler { return handler{i, next} }

type handler struct {
	identity *Identity
	next     http.Handler
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		h.next.ServeHTTP(w, r)
		return
	}
	// The connection was verified when it was made; roots can have gone since.
	id, err := h.identity.verify(*r.TLS, x509.ExtKeyUsageClientAuth)
	if err != nil {
		w.Header().Set("Connection", "close")
		http.Error(w, "the certificate is no longer accepted", http.StatusForbidden)
		return
	}
	h.next.ServeHTTP(w, r.WithContext(peer.With(r.Context(), id.Principal())))
}

// Peer is who sent r, if it came over mutual TLS.
func Peer(r *http.Request) (ID, bool) {
	principal := peer.Identity(r)
	if principal == "" {
		return ID{}, false
	}
	id, err := ParseID("spiffe://" + principal)
	return id, err == nil
}
