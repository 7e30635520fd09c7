package upstream_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// Attempts of one request may come at the same time, where they are hedged around an
// upstream: what they do to the record is no race.
func TestHedgedAttemptsMayComeFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = time.Millisecond
		u, err := upstream.New(upstream.Config{
			Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"), NoRetry: true, NoEjection: true,
			Transport: meshtest.NewUpstream(meshtest.Reply{Delay: after, Body: "five stars"}),
		})
		require.NoError(t, err)
		defer u.Close()
		hedges, err := retry.New(retry.Config{Hedge: retry.Hedge{After: after, Max: 2}})
		require.NoError(t, err)
		told := make(chan access.Record, 1)
		log := access.Sink(func(_ context.Context, r access.Record) { told <- r })
		client := mesh.Chain(log.Transport, hedges.Transport)(u)
		for range 50 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
			require.NoError(t, err)
			res, err := client.RoundTrip(r)
			require.NoError(t, err)
			text, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, "five stars", string(text))
			require.NoError(t, res.Body.Close())
			last := <-told
			require.Equal(t, "reviews", last.Upstream)
			require.EqualValues(t, len(text), last.Sent, "of the answer that counts, and of no other")
		}
		require.Positive(t, hedges.Stats().Hedges)
	})
}
