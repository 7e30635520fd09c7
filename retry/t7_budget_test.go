package retry_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

func mustBudget(t testing.TB, c retry.BudgetConfig) *retry.Budget {
	t.Helper()
	b, err := retry.NewBudget(c)
	require.NoError(t, err)
	return b
}

func TestT7RetriesAreAShareOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := mustBudget(t, retry.BudgetConfig{Percent: 20, PerSecond: 10, TTL: 10 * time.Second})
		policy := mustNew(t, retry.Config{Attempts: 3, On: []retry.Condition{retry.ServerError}, Budget: budget, Backoff: quick})
		upstream := meshtest.NewUpstream(meshtest.Reply{Status: 503})
		rt := policy.Transport(upstream)
		for range 1000 {
			_, err := rt.RoundTrip(request(t, "GET", ""))
			require.NoError(t, err)
			time.Sleep(time.Millisecond)
		}
		extra := len(upstream.Requests()) - 1000
		require.GreaterOrEqual(t, extra, 200)
		require.LessOrEqual(t, extra, 210)
		require.EqualValues(t, extra, policy.Stats().Retries)
	})
}

func TestT7ABudgetAllowsRetriesAtLittleTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: quick})
		upstream := meshtest.NewUpstream(meshtest.Reply{Status: 503})
		for range 20 {
			_, err := policy.Transport(upstream).RoundTrip(request(t, "GET", ""))
			require.NoError(t, err)
			time.Sleep(time.Minute)
		}
		require.Len(t, upstream.Requests(), 40)
	})
}

// burst sends n requests at once to a server whose first n answers fail, one
// after the other after 100 ms, and whose further ones take longer. It returns how many requests
// the server saw and how many answers have each flag.
func burst(t *testing.T, n int, budget *retry.Budget) (seen int, flags map[mesh.Flag]int) {
	config := envoyConfig()
	config.On = []retry.Condition{retry.ServerError}
	config.Budget = budget
	policy := mustNew(t, config)
	var requests atomic.Int32
	rt := policy.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		if k := requests.Add(1); int(k) <= n {
			time.Sleep(100*time.Millisecond + time.Duration(k))
			return mesh.ResponseFor(r, &mesh.Error{Status: 503}), nil
		}
		time.Sleep(400 * time.Millisecond)
		return mesh.ResponseFor(r, &mesh.Error{Status: 503}), nil
	}))
	ended := make(chan mesh.Flag)
	for range n {
		go func() {
			f, r := flow.Ensure(request(t, "GET", ""))
			res, err := rt.RoundTrip(r)
			if err == nil {
				res.Body.Close()
			}
			ended <- f.Tell().Flags
		}()
	}
	flags = make(map[mesh.Flag]int)
	for range n {
		flags[<-ended]++
	}
	return int(requests.Load()), flags
}

// The numbers are Envoy's, measured (see the recorded case breaker-max-retries
// and the reference on retry budgets).
func TestBudgetsOfEnvoy(t *testing.T) {
	for name, tt := range map[string]struct {
		config   retry.BudgetConfig
		requests int
		retries  int
	}{
		"max_retries 1, six at once":               {retry.BudgetConfig{MaxConcurrent: 1}, 6, 1},
		"max_retries 3, six at once":               {retry.BudgetConfig{MaxConcurrent: 3}, 6, 3},
		"max_retries 0":                            {retry.BudgetConfig{MaxConcurrent: -1}, 6, 0},
		"half of eight, no minimum":                {retry.BudgetConfig{Percent: 50, MinConcurrent: -1}, 8, 3},
		"a fifth of eight, no minimum":             {retry.BudgetConfig{MinConcurrent: -1}, 8, 1},
		"a fifth of eight, and at least three":     {retry.BudgetConfig{}, 8, 3},
		"no share and no minimum":                  {retry.BudgetConfig{Percent: -1, MinConcurrent: -1}, 8, 0},
		"nothing but a minimum larger than needed": {retry.BudgetConfig{Percent: -1, MinConcurrent: 20}, 8, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := mustBudget(t, tt.config)
				seen, flags := burst(t, tt.requests, budget)
				require.Equal(t, tt.requests+tt.retries, seen)
				require.Equal(t, tt.retries, flags[mesh.RetriesExhausted])
				require.Equal(t, tt.requests-tt.retries, flags[mesh.Overflow])
				require.Zero(t, budget.Stats(), "what was taken was given back")
			})
		})
	}
}

func TestABudgetTellsHowManyRetriesThereMayBe(t *testing.T) {
	for name, tt := range map[string]struct {
		config retry.BudgetConfig
		want   int
	}{
		"a number":                           {retry.BudgetConfig{MaxConcurrent: 7}, 7},
		"none":                               {retry.BudgetConfig{MaxConcurrent: -1}, 0},
		"a share of nothing, but the floor":  {retry.BudgetConfig{Percent: 50, MinConcurrent: 4}, 4},
		"what every second of a time allows": {retry.BudgetConfig{PerSecond: 5, TTL: 10 * time.Second}, 50},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := retry.NewBudget(tt.config)
			require.NoError(t, err)
			require.Equal(t, tt.want, b.Allowed())
		})
	}
}
