package retry_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// slowOnce is a server of which some requests, by their number from one, take
// ten seconds; it counts those that were cancelled.
type slowOnce struct {
	slow      func(n int32) bool
	status    int
	n         atomic.Int32
	cancelled atomic.Int32
}

func (s *slowOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	delay := 10 * time.Millisecond
	n := s.n.Add(1)
	if s.slow(n) {
		delay = 10 * time.Second
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		s.cancelled.Add(1)
		return nil, context.Cause(r.Context())
	}
	status := s.status
	if status == 0 {
		status = 200
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: r}, nil
}

func TestALateAnswerIsHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowOnce{slow: func(n int32) bool { return n == 1 }}
		policy := mustNew(t, retry.Config{Hedge: retry.Hedge{After: 100 * time.Millisecond}})
		var history retry.History
		f, r := flow.Ensure(request(t, "GET", ""))
		r = r.WithContext(retry.WithHistory(r.Context(), &history))
		start := time.Now()
		res, err := policy.Transport(server).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 110*time.Millisecond, time.Since(start))
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "ok", string(body))
		res.Body.Close()
		synctest.Wait()
		require.EqualValues(t, 1, server.cancelled.Load())
		require.Equal(t, retry.Stats{Hedges: 1, HedgesWon: 1}, policy.Stats())
		require.Equal(t, 2, f.Attempts())
		require.Empty(t, f.Tell().Flags)
	})
}

func TestWhatIsNotLateIsNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowOnce{slow: func(int32) bool { return false }}
		policy := mustNew(t, retry.Config{Hedge: retry.Hedge{After: 100 * time.Millisecond}})
		res, err := policy.Transport(server).RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		res.Body.Close()
		require.Zero(t, policy.Stats())
		require.EqualValues(t, 1, server.n.Load())
	})
}

func TestWhatIsNotSafeIsNotHedged(t *testing.T) {
	for name, r := range map[string]func(testing.TB) *http.Request{
		"a POST": func(t testing.TB) *http.Request { return request(t, "POST", "x") },
		"a body that cannot be had again": func(t testing.TB) *http.Request {
			r := request(t, "PUT", "x")
			r.GetBody = nil
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &slowOnce{slow: func(int32) bool { return true }}
				policy := mustNew(t, retry.Config{Unsafe: true, Hedge: retry.Hedge{After: 100 * time.Millisecond}})
				res, err := policy.Transport(server).RoundTrip(r(t))
				require.NoError(t, err)
				res.Body.Close()
				require.EqualValues(t, 1, server.n.Load())
			})
		})
	}
}

// A budget that is a share of the attempts under way must see the end of each.
func TestABudgetSeesTheEndOfAnAttemptThatFailsWhileItsHedgeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := mustBudget(t, retry.BudgetConfig{MinConcurrent: 3})
		policy := mustNew(t, retry.Config{Budget: budget, Hedge: retry.Hedge{After: 100 * time.Millisecond}})
		var n atomic.Int32
		res, err := policy.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			first := n.Add(1) == 1
			time.Sleep(200 * time.Millisecond)
			if first {
				return nil, errors.New("broken")
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})).RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode)
		require.Zero(t, budget.Stats())
	})
}

// T7: a budget that is spent suppresses hedges and leaves alone what runs.
func TestT7ASpentBudgetLetsTheAttemptUnderWayGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowOnce{slow: func(int32) bool { return true }}
		policy := mustNew(t, retry.Config{
			Hedge: retry.Hedge{After: time.Second, Max: 3}, Budget: mustBudget(t, retry.BudgetConfig{MaxConcurrent: 1}),
		})
		start := time.Now()
		res, err := policy.Transport(server).RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, 10*time.Second, time.Since(start))
		res.Body.Close()
		require.EqualValues(t, 2, server.n.Load(), "one hedge was granted")
		require.EqualValues(t, 1, policy.Stats().OverBudget)
	})
}

func TestABadAnswerDoesNotWinWhileAnotherAttemptRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replies := []meshtest.Reply{{Delay: time.Second, Body: "good"}, {Status: 503, Delay: 100 * time.Millisecond}}
		var n atomic.Int32
		rt := mustNew(t, retry.Config{
			On: []retry.Condition{retry.ServerError}, Hedge: retry.Hedge{After: 500 * time.Millisecond},
		}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			return meshtest.NewUpstream(replies[n.Add(1)-1]).RoundTrip(r)
		}))
		start := time.Now()
		res, err := rt.RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, time.Second, time.Since(start))
		res.Body.Close()
	})
}

// When all attempts side by side have failed the last one is judged as any other,
// and repeated.
func TestFailedHedgesAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := errors.New("down")
		replies := []meshtest.Reply{{Err: fail, Delay: time.Second}, {Err: fail, Delay: time.Second}, {}}
		var n atomic.Int32
		policy := mustNew(t, retry.Config{Hedge: retry.Hedge{After: 500 * time.Millisecond}})
		var history retry.History
		r := request(t, "GET", "")
		res, err := policy.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			return meshtest.NewUpstream(replies[n.Add(1)-1]).RoundTrip(r)
		})).RoundTrip(r.WithContext(retry.WithHistory(r.Context(), &history)))
		require.NoError(t, err)
		res.Body.Close()
		require.Len(t, history.Tries, 3)
		require.Equal(t, []int{1, 2, 3}, []int{history.Tries[0].N, history.Tries[1].N, history.Tries[2].N})
		require.Equal(t, retry.Stats{Retries: 1, Rescued: 1, Hedges: 1}, policy.Stats())
	})
}

func TestAHedgeGoesToAnotherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hosts []string
		rt := mustNew(t, retry.Config{Hedge: retry.Hedge{After: time.Second}}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			try := flow.TryOf(r)
			host := "a"
			if slices.ContainsFunc(try.Tried(), func(t *flow.Try) bool { return t.Endpoint() == "a" }) {
				host = "b"
			}
			hosts = append(hosts, host)
			try.Host = address(host)
			try.Begin() // from here on the policy may read the host
			if host == "a" {
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			}
			return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
		}))
		res, err := rt.RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, []string{"a", "b"}, hosts)
	})
}

func TestTheCallerEndsHedgedAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowOnce{slow: func(int32) bool { return true }}
		policy := mustNew(t, retry.Config{Hedge: retry.Hedge{After: 10 * time.Millisecond}})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := policy.Transport(server).RoundTrip(request(t, "GET", "").WithContext(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualValues(t, 2, server.cancelled.Load())
	})
}

// G17: where a few answers are very late, hedging after the observed quantile
// makes the slowest hundredth three times as fast at the cost of a few per cent
// of requests more.
func TestHedgingCutsTheTail(t *testing.T) {
	const calls = 4000
	run := func(hedge retry.Hedge) (p99 time.Duration, requests int) {
		synctest.Test(t, func(t *testing.T) {
			draws := rand.New(rand.NewPCG(3, 4))
			var mu sync.Mutex
			var n int
			next := func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				n++
				if draws.IntN(100) < 3 {
					return 200 * time.Millisecond
				}
				return 10*time.Millisecond + time.Duration(draws.IntN(10))*time.Millisecond
			}
			server := roundTripper(func(r *http.Request) (*http.Response, error) {
				delay := next()
				select {
				case <-time.After(delay):
					return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
				case <-r.Context().Done():
					return nil, context.Cause(r.Context())
				}
			})
			rt := mustNew(t, retry.Config{Hedge: hedge}).Transport(server)
			var took []time.Duration
			for range calls {
				start := time.Now()
				res, err := rt.RoundTrip(request(t, "GET", ""))
				require.NoError(t, err)
				res.Body.Close()
				took = append(took, time.Since(start))
				synctest.Wait()
			}
			slices.Sort(took)
			p99, requests = took[calls*99/100], n
		})
		return p99, requests
	}
	before, _ := run(retry.Hedge{})
	after, requests := run(retry.Hedge{Quantile: 0.95})
	require.GreaterOrEqual(t, before, 3*after, "%v with hedges, %v without", after, before)
	require.Less(t, requests, calls*105/100)
}
