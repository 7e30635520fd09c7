package upstream_test

import (
	"context"
	"io"
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

// They may also be sent to different destinations, and then each is told as its own.
func TestHedgedAttemptsMayGoDifferentWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = time.Millisecond
		var branches []split.ClientBranch
		for _, name := range []string{"v1", "v2"} {
			u, err := upstream.New(upstream.Config{
				Name: "reviews-" + name, Endpoints: lb.Addrs(name + ":80"), NoRetry: true, NoEjection: true,
				Transport: meshtest.NewUpstream(meshtest.Reply{Delay: 2 * after, Body: name}),
			})
			require.NoError(t, err)
			defer u.Close()
			branches = append(branches, split.ClientBranch{Name: name, Weight: 1, Value: u})
		}
		s, err := split.New(branches...)
		require.NoError(t, err)
		table, err := route.New(route.ClientRule{Name: "reviews", Value: split.Transport(s)})
		require.NoError(t, err)
		hedges, err := retry.New(retry.Config{Hedge: retry.Hedge{After: after, Max: 1}})
		require.NoError(t, err)
		told := make(chan access.Record, 1)
		log := access.Sink(func(_ context.Context, r access.Record) { told <- r })
		client := mesh.Chain(log.Transport, hedges.Transport)(route.Transport(table))
		for range 50 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
			require.NoError(t, err)
			res, err := client.RoundTrip(r)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			last := <-told
			require.Equal(t, "reviews", last.Route)
			require.Equal(t, 2, last.Attempts)
			require.Equal(t, "reviews-"+last.Branch, last.Upstream)
			require.Equal(t, last.Branch+":80", last.Endpoint)
			require.EqualValues(t, 2, last.DrawnOf)
			require.Equal(t, strings.HasSuffix(last.Upstream, "v2"), last.Drawn == 1)
		}
	})
}

// A retry that goes another way is told as it went, too.
func TestARetryMayGoAnotherWay(t *testing.T) {
	at := func(name string, status int) split.ClientBranch {
		u, err := upstream.New(upstream.Config{
			Name: "reviews-" + name, Endpoints: lb.Addrs(name + ":80"), NoRetry: true,
			Transport: meshtest.NewUpstream(meshtest.Reply{Status: status}),
		})
		require.NoError(t, err)
		t.Cleanup(func() { u.Close() })
		return split.ClientBranch{Name: name, Weight: 1, Value: u}
	}
	s, err := split.New(at("bad", http.StatusServiceUnavailable), at("good", http.StatusOK))
	require.NoError(t, err)
	draws := uint64(0)
	s.Rand = func() uint64 { draws++; return draws - 1 } // the bad one first
	retries, err := retry.New(retry.Config{Attempts: 1, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}})
	require.NoError(t, err)
	var told []access.Record
	log := access.Sink(func(_ context.Context, r access.Record) { told = append(told, r) })
	client := mesh.Chain(log.Transport, retries.Transport)(split.Transport(s))
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
		require.NoError(t, err)
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
	require.Len(t, told, 2)
	for _, r := range told {
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
	again := func(perTry time.Duration) retry.Config {
		return retry.Config{Attempts: 1, PerTry: perTry, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}}
	}
	for name, c := range map[string]struct{ outer, inner time.Duration }{
		"plain":         {},
		"bounded":       {outer: time.Minute},
		"bounded inner": {inner: time.Minute},
		"bounded both":  {time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			server := meshtest.NewUpstream(meshtest.Reply{Status: http.StatusServiceUnavailable})
			at := func(name string) split.ClientBranch {
				u, err := upstream.New(upstream.Config{
					Name: "reviews-" + name, Endpoints: lb.Addrs(name + ":80"), NoEjection: true, Retry: again(c.inner),
					Transport: server,
				})
				require.NoError(t, err)
				t.Cleanup(func() { u.Close() })
				return split.ClientBranch{Name: name, Weight: 1, Value: u}
			}
			s, err := split.New(at("v1"), at("v2"))
			require.NoError(t, err)
			draws := uint64(0)
			s.Rand = func() uint64 { draws++; return draws - 1 } // v1 first
			retries, err := retry.New(again(c.outer))
			require.NoError(t, err)
			var told access.Record
			log := access.Sink(func(_ context.Context, r access.Record) { told = r })
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
			require.NoError(t, err)
			res, err := mesh.Chain(log.Transport, retries.Transport)(split.Transport(s)).RoundTrip(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Len(t, server.Requests(), 4)
			require.Equal(t, 4, told.Attempts)
			require.Equal(t, "v2", told.Branch)
			require.Equal(t, "reviews-v2", told.Upstream)
			require.Equal(t, "v2:80", told.Endpoint)
		})
	}
}

// Of a destination that has no name no other's is told.
func TestARetryLeavesNothingOfTheWayBefore(t *testing.T) {
	for name, perTry := range map[string]time.Duration{"plain": 0, "bounded": time.Minute} {
		t.Run(name, func(t *testing.T) {
			bad, err := upstream.New(upstream.Config{
				Name: "reviews-bad", Endpoints: lb.Addrs("bad:80"), NoRetry: true,
				Transport: meshtest.NewUpstream(meshtest.Reply{Status: http.StatusServiceUnavailable}),
			})
			require.NoError(t, err)
			defer bad.Close()
			s, err := split.New(split.ClientBranch{Name: "bad", Weight: 1, Value: bad}, split.ClientBranch{Name: "good", Weight: 1, Value: meshtest.NewUpstream()})
			require.NoError(t, err)
			draws := uint64(0)
			s.Rand = func() uint64 { draws++; return draws - 1 } // the bad one first
			retries, err := retry.New(retry.Config{Attempts: 1, PerTry: perTry, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}})
			require.NoError(t, err)
			var told access.Record
			log := access.Sink(func(_ context.Context, r access.Record) { told = r })
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
			require.NoError(t, err)
			res, err := mesh.Chain(log.Transport, retries.Transport)(split.Transport(s)).RoundTrip(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, 2, told.Attempts)
			require.Equal(t, "good", told.Branch)
			require.Empty(t, told.Upstream)
			require.Empty(t, told.Endpoint)
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
