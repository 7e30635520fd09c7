package lb

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// A layer of somebody else, between one of ours and the balancer, may send a request
// twice at a time: the race detector watches.
func TestARequestThatOthersHedgeCountsOnEachHost(t *testing.T) {
	b := balanced(t, Config{Name: "reviews", Endpoints: Addrs("10.0.0.1:9080", "10.0.0.2:9080")})
	balancer := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil }))
	for range 100 {
		given, _ := http.NewRequest("GET", "http://reviews/", nil)
		_, r := flow.Ensure(given)
		answers := make(chan *http.Response, 2)
		for range 2 {
			go func() {
				res, err := balancer.RoundTrip(r.Clone(r.Context()))
				if err != nil {
					res = nil
				}
				answers <- res
			}()
		}
		first, second := <-answers, <-answers
		require.NoError(t, first.Body.Close())
		require.NoError(t, second.Body.Close())
	}
	requests := uint64(0)
	for h := range b.Hosts() {
		require.Zero(t, h.Active(), h.Addr())
		requests += h.Requests()
	}
	require.EqualValues(t, 200, requests)
}

// Or it repeats a request, of which then the last answer counts.
func TestARequestThatOthersRepeatIsJudgedByItsLastAnswer(t *testing.T) {
	b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:9080")})
	statuses := []int{http.StatusServiceUnavailable, 0, http.StatusOK}
	balancer := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		status := statuses[0]
		if statuses = statuses[1:]; status == 0 {
			return nil, errors.New("broken")
		}
		return answer(r, status), nil
	}))
	given, _ := http.NewRequestWithContext(context.Background(), "GET", "http://reviews/", nil)
	f, r := flow.Ensure(given)
	for range 3 {
		if res, err := balancer.RoundTrip(r); err == nil {
			require.NoError(t, res.Body.Close())
		}
	}
	o, ok := f.First.Settled()
	require.True(t, ok)
	require.Equal(t, mesh.Outcome{Status: http.StatusOK}, o)
}
