package authz

import (
	"context"

	"github.com/sidecarless/mesh/internal/peer"
)

// WithClaims is ctx with the claims of a token that the caller has verified, as
// JSON has them. Policies read them from the context of the request.
func WithClaims(ctx context.Context, claims map[string]any) context.Context {
	return peer.WithClaims(ctx, claims)
}
