package retry_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

// T8: faults outside of retries are what callers see; inside, retries are
// exercised.
func TestT8FaultsInsideAreRetried(t *testing.T) {
	const calls = 10_000
	for name, tt := range map[string]struct {
		inside bool
		share  float64 // of errors
	}{
		"inside":  {true, 0.25},
		"outside": {false, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			draws := rand.New(rand.NewPCG(1, 2))
			faults := func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if mesh.Percent(50).Hit(draws.Uint64()) {
						return mesh.ResponseFor(r, &mesh.Error{Status: 503, Flag: mesh.FaultInjected}), nil
					}
					return next.RoundTrip(r)
				})
			}
			retries := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Budget: endless(t), Backoff: quick}).Transport
			chain := mesh.Chain(faults, retries)
			if tt.inside {
				chain = mesh.Chain(retries, faults)
			}
			rt := chain(meshtest.NewUpstream())
			failed := 0
			for range calls {
				res, err := rt.RoundTrip(request(t, "GET", ""))
				require.NoError(t, err)
				if res.StatusCode != 200 {
					failed++
				}
			}
			require.InDelta(t, tt.share, float64(failed)/calls, 0.015)
		})
	}
}
