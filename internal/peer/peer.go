// Package peer tells who sent a request: the identity in the certificate of the
// connection, and what a verified token says.
package peer

import (
	"context"
	"net/http"
	"strings"
)

type (
	identityKey struct{}
	claimsKey   struct{}
)

// With is ctx with the identity of the peer, a SPIFFE id without "spiffe://".
func With(ctx context.Context, identity string) context.Context {
	return context.WithValue(ctx, identityKey{}, identity)
}

// Identity is the SPIFFE id, without "spiffe://", of whoever sent r: the one put
// into the context, or that of a client's certificate that crypto/tls verified.
// It is empty for plain text and for certificates without exactly one such id.
func Identity(r *http.Request) string {
	if id, ok := r.Context().Value(identityKey{}).(string); ok {
		return id
	}
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	uris := r.TLS.VerifiedChains[0][0].URIs
	if len(uris) != 1 {
		return ""
	}
	id, ok := strings.CutPrefix(uris[0].String(), "spiffe://")
	if !ok {
		return ""
	}
	return id
}

// WithClaims is ctx with the claims of a verified token.
func WithClaims(ctx context.Context, claims map[string]any) context.Context {
	return context.WithValue(ctx, claimsKey{}, claims)
}

// Claims are those of the token that was verified for ctx, or nil.
func Claims(ctx context.Context) map[string]any {
	claims, _ := ctx.Value(claimsKey{}).(map[string]any)
	return claims
}
