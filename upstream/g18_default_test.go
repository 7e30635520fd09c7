package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// What a name and endpoints alone do: each case opens an upstream with nothing
// else set.
func TestG18ANameAndEndpointsAreSafe(t *testing.T) {
	t.Run("T1: only what is safe is repeated", TestTheDefaultRepeatsWhatIsSafe)
	t.Run("T1: a POST that nobody got is", TestAPostThatWasNotSentGoesToAnotherEndpoint)
	t.Run("T2: a connection serves one request after the other", oneConnectionServesAll)
	t.Run("T5: a body streams, and one that was not kept is not repeated", bodiesStream)
	t.Run("T10: whom a caller leaves is not to blame", callersWhoLeaveBlameNobody)
	t.Run("T18: nothing is left of it", nothingIsLeft)
	t.Run("an answer of 503 is the caller's", answersAreNotRepeated)
	t.Run("no timeouts are invented", noTimeouts)
	t.Run("hosts that fail are left alone", failingHostsAreEjected)
	t.Run("repetitions stay within a budget", repetitionsAreFew)
	t.Run("the contract of a RoundTripper is kept", func(t *testing.T) {
		meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper { return byDefault(t, next) })
	})
}

// byDefault is the default upstream of two endpoints, before a network of next.
func byDefault(t *testing.T, next http.RoundTripper) *upstream.Upstream {
	return open(t, upstream.Config{Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"), Transport: next})
}

func oneConnectionServesAll(t *testing.T) {
	text := strings.Repeat("x", 60<<10)
	u := open(t, upstream.Config{Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))})
	for range 20 {
		_, got, err := get(u)
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
	require.EqualValues(t, 1, u.Stats().Connections.Opened)
}

func bodiesStream(t *testing.T) {
	var seen atomic.Int64
	first := make(chan struct{})
	u := open(t, upstream.Config{Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) == 1 {
			io.ReadFull(r.Body, make([]byte, 4096))
			close(first)
		}
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))})
	body, writer := io.Pipe()
	go func() {
		writer.Write(make([]byte, 4096))
		<-first // would wait for ever if the body were read beforehand
		writer.Write(make([]byte, 64<<10))
		writer.Close()
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://reviews/", body)
	require.NoError(t, err)
	_, err = u.RoundTrip(r)
	require.Error(t, err)
	require.EqualValues(t, 1, seen.Load())
}

func callersWhoLeaveBlameNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := meshtest.Server{Faults: []meshtest.Fault{{Reply: meshtest.Reply{Delay: time.Hour}}}}
		u := byDefault(t, meshtest.NewMesh(1, map[string]meshtest.Server{"10.0.0.1:80": hangs, "10.0.0.2:80": hangs}))
		defer u.Close()
		gone := errors.New("gone")
		for range 1000 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, gone)
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews/", nil)
			require.NoError(t, err)
			_, err = u.RoundTrip(r)
			require.ErrorIs(t, err, gone)
			cancel()
		}
		require.Zero(t, u.Stats().Ejections.Detected)
		require.Zero(t, u.Stats().Retries.Retries)
	})
}

func nothingIsLeft(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	before := runtime.NumGoroutine()
	for range 20 {
		u, err := upstream.New(upstream.Config{Name: "reviews", Endpoints: lb.Addrs(s.Listener.Addr().String())})
		require.NoError(t, err)
		for range 10 {
			_, _, err := get(u)
			require.NoError(t, err)
		}
		require.NoError(t, u.Close())
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+3 }, time.Minute, time.Millisecond)
}

func answersAreNotRepeated(t *testing.T) {
	stub := meshtest.NewUpstream(meshtest.Reply{Status: 503, Body: "no"})
	status, text, err := get(byDefault(t, stub))
	require.NoError(t, err)
	require.Equal(t, 503, status)
	require.Equal(t, "no", text)
	require.Len(t, stub.Requests(), 1)
}

func noTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := byDefault(t, meshtest.NewUpstream(meshtest.Reply{Delay: 24 * time.Hour, Body: "at last"}))
		defer u.Close()
		_, text, err := get(u)
		require.NoError(t, err)
		require.Equal(t, "at last", text)
	})
}

func failingHostsAreEjected(t *testing.T) {
	for name, reply := range map[string]meshtest.Reply{
		"with 500": {Status: 500}, "refusing connections": {Err: meshtest.ErrRefused}, "breaking connections": {Err: meshtest.ErrReset},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := meshtest.NewMesh(1, map[string]meshtest.Server{
					"10.0.0.1:80": {}, "10.0.0.2:80": {Faults: []meshtest.Fault{{Reply: reply}}},
				})
				u := byDefault(t, m)
				defer u.Close()
				for range 200 {
					get(u)
				}
				tried := 0
				for _, v := range m.Visits() {
					if v.Addr == "10.0.0.2:80" {
						tried++
					}
				}
				require.Equal(t, 5, tried)
				require.Equal(t, 1, u.Stats().Ejections.Ejected, "and never both")
			})
		})
	}
}

func repetitionsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := meshtest.Server{Faults: []meshtest.Fault{{Reply: meshtest.Reply{Err: meshtest.ErrRefused}}}}
		m := meshtest.NewMesh(1, map[string]meshtest.Server{"10.0.0.1:80": down, "10.0.0.2:80": down})
		u := byDefault(t, m)
		defer u.Close()
		m.Load(1000, 10*time.Second, func() { get(u) })
		extra := len(m.Visits()) - 10_000
		require.GreaterOrEqual(t, extra, 1900)
		require.LessOrEqual(t, extra, 2100, "a fifth of the requests, or ten a second")
	})
}
