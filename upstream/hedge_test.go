package upstream_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/upstream"
)

// told is a client of to with a layer around it, and the records of its requests.
func told(t *testing.T, to http.RoundTripper, c retry.Config) (client http.RoundTripper, policy *retry.Policy, records <-chan access.Record) {
	t.Helper()
	policy, err := retry.New(c)
	require.NoError(t, err)
	all := make(chan access.Record, 1)
	log := access.Sink(func(_ context.Context, r access.Record) { all <- r })
	return mesh.Chain(log.Transport, policy.Transport)(to), policy, all
}

// branch is a destination of a name that answers the same always, and has one endpoint.
func branch(t *testing.T, name string, c upstream.Config, answers meshtest.Reply) split.ClientBranch {
	t.Helper()
	c.Name, c.Endpoints, c.Transport = "reviews-"+name, lb.Addrs(name+":80"), meshtest.NewUpstream(answers)
	return split.ClientBranch{Name: name, Weight: 1, Value: open(t, c)}
}

// inTurn sends to one branch after the other.
func inTurn(t *testing.T, branches ...split.ClientBranch) http.RoundTripper {
	t.Helper()
	s, err := split.New(branches...)
	require.NoError(t, err)
	draws := uint64(0)
	s.Rand = func() uint64 { draws++; return draws - 1 }
	return split.Transport(s)
}

// once repeats a request that failed, once.
func once(perTry time.Duration) retry.Config {
	return retry.Config{Attempts: 1, PerTry: perTry, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}}
}

var unavailable = meshtest.Reply{Status: http.StatusServiceUnavailable}

// Attempts of one request may come at the same time, where they are hedged around an
// upstream: what they do to the record is no race.
func TestHedgedAttemptsMayComeFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = time.Millisecond
		u := open(t, upstream.Config{
			Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"), NoRetry: true, NoEjection: true,
			Transport: meshtest.NewUpstream(meshtest.Reply{Delay: after, Body: "five stars"}),
		})
		client, hedges, records := told(t, u, retry.Config{Hedge: retry.Hedge{After: after, Max: 2}})
		for range 50 {
			_, text, err := get(client)
			require.NoError(t, err)
			require.Equal(t, "five stars", text)
			last := <-records
			require.Equal(t, "reviews", last.Upstream)
			require.EqualValues(t, len(text), last.Sent, "of the answer that counts, and of no other")
		}
		require.Positive(t, hedges.Stats().Hedges)
	})
}

// They may also be sent to different destinations. What is told is the one whose answer
// the caller has.
func TestHedgedAttemptsMayGoDifferentWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = time.Millisecond
		at := func(name string) split.ClientBranch {
			return branch(t, name, upstream.Config{NoRetry: true, NoEjection: true}, meshtest.Reply{Delay: 2 * after, Body: name})
		}
		s, err := split.New(at("v1"), at("v2"))
		require.NoError(t, err)
		table, err := route.New(route.ClientRule{Name: "reviews", Value: split.Transport(s)})
		require.NoError(t, err)
		client, _, records := told(t, route.Transport(table), retry.Config{Hedge: retry.Hedge{After: after, Max: 1}})
		for range 50 {
			_, winner, err := get(client)
			require.NoError(t, err)
			last := <-records
			require.Equal(t, "reviews", last.Route)
			require.Equal(t, 2, last.Attempts)
			require.Equal(t, winner, last.Branch)
			require.Equal(t, "reviews-"+last.Branch, last.Upstream)
			require.Equal(t, last.Branch+":80", last.Endpoint)
			require.EqualValues(t, 2, last.DrawnOf)
			require.Equal(t, strings.HasSuffix(last.Upstream, "v2"), last.Drawn == 1)
		}
	})
}

// A retry that goes another way is told as it went, too.
func TestARetryMayGoAnotherWay(t *testing.T) {
	to := inTurn(t, branch(t, "bad", upstream.Config{NoRetry: true}, unavailable), branch(t, "good", upstream.Config{NoRetry: true}, meshtest.Reply{Status: http.StatusOK}))
	client, _, records := told(t, to, once(0))
	for range 2 {
		status, _, err := get(client)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		r := <-records
		require.Equal(t, 2, r.Attempts)
		require.Equal(t, "good", r.Branch)
		require.Equal(t, "reviews-good", r.Upstream)
		require.Equal(t, "good:80", r.Endpoint)
		require.EqualValues(t, 1, r.Drawn)
	}
}

// An attempt that is repeated further in is none besides those that are made of it, and
// what is told is the last of these.
func TestRepeatedAttemptsMayBeRepeatedWithin(t *testing.T) {
	for name, c := range map[string]struct{ outer, inner time.Duration }{
		"plain":         {},
		"bounded":       {outer: time.Minute},
		"bounded inner": {inner: time.Minute},
		"bounded both":  {time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int32
			inner := upstream.Config{NoEjection: true, Retry: once(c.inner), Attempt: func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					sent.Add(1)
					return next.RoundTrip(r)
				})
			}}
			client, _, records := told(t, inTurn(t, branch(t, "v1", inner, unavailable), branch(t, "v2", inner, unavailable)), once(c.outer))
			_, _, err := get(client)
			require.NoError(t, err)
			last := <-records
			require.EqualValues(t, 4, sent.Load())
			require.Equal(t, 4, last.Attempts)
			require.Equal(t, "v2", last.Branch)
			require.Equal(t, "reviews-v2", last.Upstream)
			require.Equal(t, "v2:80", last.Endpoint)
		})
	}
}

// Of a destination that has no name no other's is told.
func TestARetryLeavesNothingOfTheWayBefore(t *testing.T) {
	for name, perTry := range map[string]time.Duration{"plain": 0, "bounded": time.Minute} {
		t.Run(name, func(t *testing.T) {
			to := inTurn(t, branch(t, "bad", upstream.Config{NoRetry: true}, unavailable), split.ClientBranch{Name: "good", Weight: 1, Value: meshtest.NewUpstream()})
			client, _, records := told(t, to, once(perTry))
			_, _, err := get(client)
			require.NoError(t, err)
			last := <-records
			require.Equal(t, 2, last.Attempts)
			require.Equal(t, "good", last.Branch)
			require.Empty(t, last.Upstream)
			require.Empty(t, last.Endpoint)
		})
	}
}

// A policy that hedges and one inside of it do not multiply: the upstream leaves
// attempts alone that may come at the same time.
func TestHedgedAttemptsAreNotRepeatedFurtherIn(t *testing.T) {
	last := meshtest.NewUpstream(meshtest.Reply{Status: http.StatusServiceUnavailable})
	u, err := upstream.New(upstream.Config{
		Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"), NoEjection: true, Transport: last,
		Retry: retry.Config{Attempts: 3, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}},
	})
	require.NoError(t, err)
	defer u.Close()
	budget, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 100})
	require.NoError(t, err)
	hedges, err := retry.New(retry.Config{Hedge: retry.Hedge{After: time.Nanosecond, Max: 2}, Budget: budget})
	require.NoError(t, err)
	var told atomic.Int64
	log := access.Sink(func(_ context.Context, r access.Record) { told.Add(int64(r.Attempts)) })
	client := mesh.Chain(log.Transport, hedges.Transport)(u)
	send := func(method string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://reviews/", nil)
		require.NoError(t, err)
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				send(http.MethodGet)
			}
		})
	}
	all.Wait()
	require.Zero(t, u.Stats().Retries.Retries)
	require.LessOrEqual(t, told.Load(), int64(2000*3))

	told.Store(0)
	send(http.MethodPost) // which is not hedged
	require.EqualValues(t, 1, told.Load())
	require.Zero(t, u.Stats().Retries.Retries, "nor safe to repeat")
}
