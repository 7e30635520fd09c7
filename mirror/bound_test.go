package mirror

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/timeout"
)

// A copy is under way while the layers after the mirror have just begun: the race
// detector watches what both look at.
func TestABoundOnTheRequestDoesNotDisturbTheCopy(t *testing.T) {
	type key struct{}
	const n = 100
	values := make(chan any, n)
	copies := must(t, Config{Share: mesh.Always, MaxCopies: n, To: roundTrip(func(r *http.Request) (*http.Response, error) {
		values <- r.Context().Value(key{})
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})})
	bound, err := timeout.New(timeout.Config{Total: time.Minute})
	require.NoError(t, err)
	record := access.Sink(func(context.Context, access.Record) {}) // makes the record that the layers share
	client := mesh.Chain(record.Transport, copies.Transport, bound.Transport)(meshtest.NewUpstream())
	for range n {
		r, err := http.NewRequestWithContext(context.WithValue(t.Context(), key{}, "kept"), http.MethodGet, "http://reviews/", nil)
		require.NoError(t, err)
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
	}
	for range n {
		require.Equal(t, "kept", <-values)
	}
}
