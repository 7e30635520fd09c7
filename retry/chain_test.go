package retry_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

// Three services call each other in a row, each with two retries, and the last
// one always fails. Without a word between them it would see 27 requests; with
// it, one and two for each service that calls.
func TestRetriesDoNotMultiplyAlongAChain(t *testing.T) {
	for name, tt := range map[string]struct {
		chain bool
		leaf  int32
	}{
		"each for itself": {false, 27},
		"as a chain":      {true, 7},
	} {
		t.Run(name, func(t *testing.T) {
			var leaf atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				leaf.Add(1)
				w.WriteHeader(503)
			}))
			defer server.Close()
			url := server.URL
			for range 2 {
				call := caller(t, tt.chain, url)
				hop := httptest.NewServer(retry.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(call(r))
				})))
				defer hop.Close()
				url = hop.URL
			}
			require.Equal(t, 503, caller(t, tt.chain, url)(nil))
			require.Equal(t, tt.leaf, leaf.Load())
		})
	}
}

// caller is a client of url that gives the status for a request made for r.
func caller(t *testing.T, chain bool, url string) func(*http.Request) int {
	policy := mustNew(t, retry.Config{
		Attempts: 2, On: []retry.Condition{retry.ServerError}, Chain: chain, Budget: endless(t), Backoff: quick,
	})
	rt := policy.Transport(pool(t))
	return func(r *http.Request) int {
		call, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return 500
		}
		if r != nil {
			call = call.WithContext(r.Context())
		}
		res, err := rt.RoundTrip(call)
		if err != nil {
			return 500
		}
		res.Body.Close()
		return res.StatusCode
	}
}

func TestServersAreToldTheAttempt(t *testing.T) {
	upstream := meshtest.NewUpstream(meshtest.Reply{Status: 503}, meshtest.Reply{Status: 503}, meshtest.Reply{})
	policy := mustNew(t, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, TellAttempt: true, Backoff: quick})
	r := request(t, "GET", "")
	_, err := policy.Transport(upstream).RoundTrip(r)
	require.NoError(t, err)
	var counts []string
	for _, seen := range upstream.Requests() {
		counts = append(counts, seen.Header.Get("X-Envoy-Attempt-Count"))
	}
	require.Equal(t, []string{"1", "2", "3"}, counts)
	require.Empty(t, r.Header, "the caller's request was changed")
}

// What callers wish is heard only by policies that are to, and never passed on
// by those.
func TestWishesOfCallers(t *testing.T) {
	for name, tt := range map[string]struct {
		config  retry.Config
		headers map[string]string
		reply   meshtest.Reply
		want    int
	}{
		"a policy that does not hear": {retry.Config{On: []retry.Condition{retry.ServerError}}, map[string]string{"x-envoy-max-retries": "3"}, meshtest.Reply{Status: 503}, 2},
		"more retries":                {retry.Config{On: []retry.Condition{retry.ServerError}, ObeyHeaders: true}, map[string]string{"x-envoy-max-retries": "3"}, meshtest.Reply{Status: 503}, 4},
		"no retries":                  {retry.Config{On: []retry.Condition{retry.ServerError}, ObeyHeaders: true}, map[string]string{"x-envoy-max-retries": "0"}, meshtest.Reply{Status: 503}, 1},
		"no number":                   {retry.Config{On: []retry.Condition{retry.ServerError}, ObeyHeaders: true}, map[string]string{"x-envoy-max-retries": "x"}, meshtest.Reply{Status: 503}, 2},
		"a condition more":            {retry.Config{ObeyHeaders: true}, map[string]string{"x-envoy-retry-on": "often, retriable-4xx"}, meshtest.Reply{Status: 409}, 2},
		"no policy of its own":        {retry.Config{Attempts: -1, ObeyHeaders: true}, map[string]string{"x-envoy-retry-on": "5xx"}, meshtest.Reply{Status: 503}, 2},
		"a gRPC condition":            {retry.Config{ObeyHeaders: true}, map[string]string{"x-envoy-retry-grpc-on": "unavailable"}, meshtest.Reply{Header: http.Header{"Grpc-Status": {"14"}}}, 2},
		"a status": {
			retry.Config{ObeyHeaders: true},
			map[string]string{"x-envoy-retry-on": "retriable-status-codes", "x-envoy-retriable-status-codes": "418,x"}, meshtest.Reply{Status: 418}, 2,
		},
		"a header of the answer": {
			retry.Config{ObeyHeaders: true},
			map[string]string{"x-envoy-retry-on": "retriable-headers", "x-envoy-retriable-header-names": "x-again"},
			meshtest.Reply{Header: http.Header{"X-Again": {"1"}}}, 2,
		},
		"a bound on each attempt": {
			retry.Config{ObeyHeaders: true}, map[string]string{"x-envoy-upstream-rq-per-try-timeout-ms": "5"}, meshtest.Reply{Delay: time.Hour}, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := meshtest.NewUpstream(tt.reply)
			tt.config.Backoff = quick
			r := request(t, "GET", "")
			for name, value := range tt.headers {
				r.Header.Set(name, value)
			}
			res, err := mustNew(t, tt.config).Transport(upstream).RoundTrip(r)
			if err == nil {
				res.Body.Close()
			}
			require.Len(t, upstream.Requests(), tt.want)
			for _, seen := range upstream.Requests() {
				if tt.config.ObeyHeaders {
					require.Empty(t, seen.Header)
				}
			}
			require.Len(t, r.Header, len(tt.headers))
		})
	}
}

// A bound on attempts that would end after that on the request has no effect: the
// request ends with its own.
func TestABoundOnAttemptsIsShorterThanThatOnTheRequest(t *testing.T) {
	upstream := meshtest.NewUpstream()
	policy := mustNew(t, retry.Config{PerTry: time.Hour})
	for name, tt := range map[string]struct {
		total   time.Duration
		bounded bool
	}{
		"no bound on the request": {0, true},
		"a longer one":            {2 * time.Hour, true},
		"the same":                {time.Hour, false},
		"a shorter one":           {time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, r := flow.Ensure(request(t, "GET", ""))
			f.Total = tt.total
			_, err := policy.Transport(upstream).RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, tt.bounded, f.Last().Told != nil && f.Last().Told.Bounded != 0)
		})
	}
}
