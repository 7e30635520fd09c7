package mesh_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/route"
)

// A rule whose server fails is refused, and its sibling is not.
func TestT14EachRouteHasACircuitOfItsOwn(t *testing.T) {
	circuits, err := breaker.New(breaker.Config{Trip: breaker.Trip{Consecutive: 3}, Key: breaker.PerRoute})
	require.NoError(t, err)
	table, err := route.New(
		route.ClientRule{Name: "search", Match: []match.Request{{Path: match.Prefix("/search")}},
			Value: circuits.Transport(meshtest.NewUpstream(meshtest.Reply{Status: 500}))},
		route.ClientRule{Name: "pages", Value: circuits.Transport(meshtest.NewUpstream())},
	)
	require.NoError(t, err)
	// The access log keeps the record in which the route notes its rule.
	rt := access.Sink(func(context.Context, access.Record) {}).Transport(route.Transport(table))
	ask := func(path string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://shop"+path, nil)
		require.NoError(t, err)
		res, err := rt.RoundTrip(r)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	for range 3 {
		require.NoError(t, ask("/search?q=x"))
		require.NoError(t, ask("/"))
	}
	err = ask("/search?q=x")
	require.ErrorIs(t, err, breaker.ErrOpen)
	require.Equal(t, mesh.Overflow, mesh.FlagOf(err))
	require.NoError(t, ask("/"))
	require.Equal(t, []string{"search"}, circuits.Stats().OpenKeys)
}
