package retry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/wiretest"
	"github.com/sidecarless/mesh/retry"
)

// counted is a server that answers 503 with a body of some size to all but every
// n-th request, and how many connections were made to it. It listens at l, or where the
// system lets it.
func counted(t *testing.T, l net.Listener, every int64, size int) (*httptest.Server, *atomic.Int64) {
	var requests, conns atomic.Int64
	text := strings.Repeat("x", size)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%every != 0 {
			w.WriteHeader(503)
			io.WriteString(w, text)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	if l != nil {
		server.Listener.Close()
		server.Listener = l
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, &conns
}

func pool(t *testing.T) *http.Transport {
	tr := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func get(t *testing.T, rt http.RoundTripper, url string) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := rt.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// What nobody wants is read for a bounded time. In a bubble none passes.
func TestT2DiscardedAnswersLeaveTheirConnections(t *testing.T) {
	for name, tt := range map[string]struct{ size, most int }{
		"100 B":  {100, 1},
		"8 KiB":  {8 << 10, 1},
		"60 KiB": {60 << 10, 1},
		"1 MiB":  {1 << 20, 41},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := wiretest.Listen()
				server, conns := counted(t, l, 3, tt.size)
				policy := mustNew(t, retry.Config{
					Attempts: 2, On: []retry.Condition{retry.ServerError}, Backoff: quick, Budget: endless(t),
				})
				tr := pool(t)
				tr.DialContext = l.Dial
				rt := policy.Transport(tr)
				for range 20 {
					require.Equal(t, 200, get(t, rt, server.URL))
				}
				require.LessOrEqual(t, int(conns.Load()), tt.most)
				require.EqualValues(t, 40, policy.Stats().Retries)
				require.EqualValues(t, 20, policy.Stats().Rescued)
			})
		})
	}
}

func TestT2DiscardedAnswersLeaveNoGoroutines(t *testing.T) {
	server, _ := counted(t, nil, 2, 1<<20)
	policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: quick, Budget: endless(t)})
	tr := pool(t)
	rt := policy.Transport(tr)
	get(t, rt, server.URL)
	before := runtime.NumGoroutine()
	for range 200 {
		require.Equal(t, 200, get(t, rt, server.URL))
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+3 }, time.Minute, time.Millisecond)
}

func TestT2AFailingHostDoesNotCostItsNeighbourConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, here := wiretest.Listen(), wiretest.Listen()
		counted(t, there, 1<<60, 8<<10)
		_, conns := counted(t, here, 1, 0)
		tr := pool(t)
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "failing:80" {
				return there.Dial(ctx, network, addr)
			}
			return here.Dial(ctx, network, addr)
		}
		policy := mustNew(t, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, Backoff: quick, Budget: endless(t)})
		rt := policy.Transport(tr)
		for range 20 {
			require.Equal(t, 503, get(t, rt, "http://failing/"))
			require.Equal(t, 200, get(t, rt, "http://healthy/"))
		}
		require.EqualValues(t, 1, conns.Load())
	})
}

// endless is a budget that grants whatever is asked.
func endless(t testing.TB) *retry.Budget {
	b, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 1 << 30})
	require.NoError(t, err)
	return b
}

// A retry does not wait for the body of an answer that it replaces.
func TestT2ABodyThatDoesNotComeDelaysNothing(t *testing.T) {
	ended := make(chan struct{})
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(503)
			w.(http.Flusher).Flush()
			<-r.Context().Done() // the client gives up on the body
			close(ended)
		}
	}))
	defer server.Close()
	policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: quick})
	require.Equal(t, 200, get(t, policy.Transport(pool(t)), server.URL))
	<-ended
}
