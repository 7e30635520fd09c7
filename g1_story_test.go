package mesh_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/rewrite"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

// A told request: layers inside of the access log, and how it is called.
type told struct {
	transport http.RoundTripper
	header    http.Header
	before    int           // requests before the one that is told
	leaves    time.Duration // when the caller goes away; zero stays
}

// reviews is an upstream of endpoints that all answer by one script, 5 ms each,
// without randomness.
func reviews(t *testing.T, c upstream.Config, replies ...meshtest.Reply) http.RoundTripper {
	for i := range replies {
		replies[i].Delay = 5 * time.Millisecond
	}
	c.Name = "reviews"
	if c.Endpoints == nil {
		c.Endpoints = lb.Addrs("10.0.0.1:80", "10.0.0.2:80")
	}
	c.Transport = meshtest.NewUpstream(replies...)
	c.Balance.Algorithm = lb.RoundRobin{}
	c.Balance.Rand, c.Retry.Rand = zero, zero
	u, err := upstream.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

func zero() uint64 { return 0 }

// made is a layer, or the end of the test.
func made[T any](t *testing.T, layer T, err error) T {
	t.Helper()
	require.NoError(t, err)
	return layer
}

// stories are requests and what operators are told of them.
var stories = []struct {
	name string
	make func(t *testing.T) told
	want string
}{
	{"an answer", func(t *testing.T) told {
		return told{transport: reviews(t, upstream.Config{}, meshtest.Reply{})}
	}, `200 - GET reviews/7?user=* 5ms
  to     reviews
  try 1  10.0.0.1:80 200 5ms
  end    via_upstream
`},
	{"a rule that fits", func(t *testing.T) told {
		table, err := route.New(
			route.ClientRule{Name: "other", Match: []match.Request{{Path: match.Exact("/other")}}},
			route.ClientRule{Name: "sevens", Match: []match.Request{{Path: match.Prefix("/7")}}, Value: reviews(t, upstream.Config{}, meshtest.Reply{})},
		)
		return told{transport: route.Transport(made(t, table, err))}
	}, `200 - GET reviews/7?user=* 5ms
  route  sevens
  to     reviews
  try 1  10.0.0.1:80 200 5ms
  end    via_upstream
`},
	{"no rule", func(t *testing.T) told {
		table, err := route.New[http.RoundTripper]()
		return told{transport: route.Transport(made(t, table, err))}
	}, `404 NR GET reviews/7?user=* 0s
  end    route_not_found
`},
	{"an answer of a rule's own", func(t *testing.T) told {
		table, err := route.New(route.ClientRule{Name: "moved", Value: rewrite.Redirect{Host: "ratings"}})
		return told{transport: route.Transport(made(t, table, err))}
	}, `301 - GET reviews/7?user=* 0s
  route  moved
  end    direct_response
`},
	{"a branch that was drawn", func(t *testing.T) told {
		versions, err := split.New(
			split.ClientBranch{Name: "v1", Weight: 90, Value: meshtest.NewUpstream()},
			split.ClientBranch{Name: "v2", Weight: 10, Value: reviews(t, upstream.Config{}, meshtest.Reply{})},
		)
		made(t, versions, err).Rand = func() uint64 { return 1093 }
		return told{transport: split.Transport(versions)}
	}, `200 - GET reviews/7?user=* 5ms
  split  v2, drew 93 of 100
  to     reviews
  try 1  10.0.0.1:80 200 5ms
  end    via_upstream
`},
	{"a branch by a key", func(t *testing.T) told {
		versions, err := split.New(
			split.ClientBranch{Name: "v1", Weight: 0, Value: meshtest.NewUpstream()},
			split.ClientBranch{Name: "v2", Weight: 1, Value: reviews(t, upstream.Config{}, meshtest.Reply{})},
		)
		require.NoError(t, err)
		sticky, err := split.NewSticky(split.StickyConfig{Key: match.QueryKey("user")})
		return told{transport: made(t, sticky, err).Transport(versions)}
	}, `200 - GET reviews/7?user=* 5ms
  split  v2, by its key
  to     reviews
  try 1  10.0.0.1:80 200 5ms
  end    via_upstream
`},
	{"a delay and an abort", func(t *testing.T) told {
		faults, err := fault.New(fault.Config{
			Delay: fault.Delay{Share: mesh.Always, For: time.Second}, Abort: fault.Abort{Share: mesh.Always, Status: 418},
		})
		return told{transport: made(t, faults, err).Transport(reviews(t, upstream.Config{}))}
	}, `418 DI,FI GET reviews/7?user=* 1s
  fault  delay 1s
  fault  abort with 418
  end    fault_filter_abort
`},
	{"a fault that was ordered by a signed header", func(t *testing.T) told {
		key := []byte("a key of the tests of services")
		faults, err := fault.New(fault.Config{Ordered: fault.Ordered{Name: "reviews", Share: mesh.Always, Keys: [][]byte{key}}})
		require.NoError(t, err)
		orders, err := fault.Sign(key, time.Now().Add(time.Minute), "reviews=abort:500")
		return told{
			transport: faults.Transport(reviews(t, upstream.Config{})),
			header:    http.Header{fault.OrderHeader: {made(t, orders, err)}},
		}
	}, `500 FI GET reviews/7?user=* 0s
  fault  abort with 500
  end    fault_filter_abort
`},
	{"a repetition that passed", func(t *testing.T) told {
		return told{transport: reviews(t, upstream.Config{Retry: retry.Config{On: []retry.Condition{retry.ServerError}}},
			meshtest.Reply{Status: 503, Header: http.Header{"Retry-After": {"1"}}}, meshtest.Reply{})}
	}, `200 - GET reviews/7?user=* 1.01s
  to     reviews
  try 1  10.0.0.1:80 503 5ms, then again: 5xx
  try 2  10.0.0.2:80 200 5ms, waited 1s before
  end    via_upstream
`},
	{"no attempt left", func(t *testing.T) told {
		return told{transport: reviews(t, upstream.Config{}, meshtest.Reply{Err: meshtest.ErrRefused})}
	}, `503 URX,UF GET reviews/7?user=* 10ms
  to     reviews
  try 1  10.0.0.1:80 dial tcp: connect: connection refused 5ms, then again: connect-failure
  try 2  10.0.0.2:80 failed 5ms
  end    upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}
  cause  dial tcp: connect: connection refused
`},
	{"a budget that is spent", func(t *testing.T) told {
		none, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: -1})
		return told{transport: reviews(t, upstream.Config{Retry: retry.Config{
			On: []retry.Condition{retry.ServerError}, Budget: made(t, none, err),
		}}, meshtest.Reply{Status: 503})}
	}, `503 UO GET reviews/7?user=* 5ms
  to     reviews
  try 1  10.0.0.1:80 503 5ms
  end    via_upstream
`},
	{"an open circuit", func(t *testing.T) told {
		return told{before: 2, transport: reviews(t, upstream.Config{Breaker: breaker.Config{Trip: breaker.Trip{Consecutive: 2}}}, meshtest.Reply{Status: 500})}
	}, `503 UO GET reviews/7?user=* 0s
  to     reviews
  end    upstream_reset_before_response_started{overflow}
  cause  the circuit is open
`},
	{"no endpoint", func(t *testing.T) told {
		return told{transport: reviews(t, upstream.Config{Endpoints: []lb.Endpoint{}})}
	}, `503 UH GET reviews/7?user=* 0s
  to     reviews
  end    no_healthy_upstream
  cause  no endpoint is known
`},
	{"a bound that ran out", func(t *testing.T) told {
		bound, err := timeout.New(timeout.Config{Total: 3 * time.Millisecond})
		return told{transport: made(t, bound, err).Transport(reviews(t, upstream.Config{}, meshtest.Reply{}))}
	}, `504 UT GET reviews/7?user=* 3ms
  to     reviews
  try 1  10.0.0.1:80 failed 3ms
  end    response_timeout
`},
	{"a copy", func(t *testing.T) told {
		copies, err := mirror.New(mirror.Config{Name: "reviews-v2", To: meshtest.NewUpstream(), Share: mesh.Always})
		t.Cleanup(func() { copies.Close() })
		return told{transport: made(t, copies, err).Transport(reviews(t, upstream.Config{}, meshtest.Reply{}))}
	}, `200 - GET reviews/7?user=* 5ms
  to     reviews
  try 1  10.0.0.1:80 200 5ms
  copy   reviews-v2
  end    via_upstream
`},
	{"a rate limit", func(t *testing.T) told {
		rate, err := limit.New(limit.Config{Rate: 1e-6})
		return told{before: 1, transport: made(t, rate, err).Transport(reviews(t, upstream.Config{}, meshtest.Reply{}))}
	}, `429 RL GET reviews/7?user=* 0s
  end    local_rate_limited
`},
	{"a caller who left", func(t *testing.T) told {
		return told{transport: reviews(t, upstream.Config{}, meshtest.Reply{}), leaves: 2 * time.Millisecond}
	}, `0 DC GET reviews/7?user=* 2ms
  to     reviews
  try 1  10.0.0.1:80 failed 2ms
  end    downstream_remote_disconnect
`},
}

// What was decided for a request is one story, whichever layers decided it.
func TestG1ARequestIsOneStory(t *testing.T) {
	for _, tt := range stories {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := tt.make(t)
				var last access.Record
				var log access.Sink = func(_ context.Context, r access.Record) { last = r }
				rt := log.Transport(s.transport)
				for n := range s.before + 1 {
					ctx := t.Context()
					if n == s.before && s.leaves > 0 {
						var leave context.CancelFunc
						ctx, leave = context.WithCancel(ctx)
						time.AfterFunc(s.leaves, leave)
					}
					r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews/7?user=anna", nil)
					require.NoError(t, err)
					if s.header != nil {
						r.Header = s.header
					}
					if res, err := rt.RoundTrip(r); err == nil {
						res.Body.Close()
					}
				}
				synctest.Wait()
				require.Equal(t, tt.want, last.Story())
			})
		})
	}
}
