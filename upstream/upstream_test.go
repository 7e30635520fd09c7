package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func open(t testing.TB, c upstream.Config) *upstream.Upstream {
	t.Helper()
	if c.Name == "" {
		c.Name = "reviews"
	}
	u, err := upstream.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

func get(u http.RoundTripper) (status int, text string, err error) {
	res, err := (&http.Client{Transport: u}).Get("http://reviews/")
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// closedPort is an address at which nobody listens.
func closedPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	return l.Addr().String()
}

func TestANameAndEndpointsAreEnough(t *testing.T) {
	u := open(t, upstream.Config{Name: "reviews", Endpoints: lb.Addrs(
		serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))})
	for range 10 {
		_, text, err := get(u)
		require.NoError(t, err)
		require.Equal(t, "reviews", text)
	}
	require.EqualValues(t, 1, u.Stats().Connections.Opened)
}

func TestWithoutEndpointsRequestsAreRefused(t *testing.T) {
	u := open(t, upstream.Config{})
	_, _, err := get(u)
	require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))
	require.Equal(t, mesh.NotSent, mesh.StageOf(err))
}

func TestAClosedUpstreamRefuses(t *testing.T) {
	for name, c := range map[string]upstream.Config{
		"its own connections": {Endpoints: lb.Addrs("127.0.0.1:1")},
		"a transport":         {Endpoints: lb.Addrs("127.0.0.1:1"), Transport: http.DefaultTransport},
	} {
		t.Run(name, func(t *testing.T) {
			u := open(t, c)
			require.NoError(t, u.Shutdown(t.Context()))
			require.NoError(t, u.Close())
			_, _, err := get(u)
			require.ErrorIs(t, err, upstream.ErrClosed)
			require.ErrorIs(t, u.Update(c), upstream.ErrClosed)
		})
	}
}

func TestProblemsOfAllPartsAreReportedAtOnce(t *testing.T) {
	_, err := upstream.New(upstream.Config{
		Endpoints:   []lb.Endpoint{{Addr: ""}},
		Retry:       retry.Config{PerTry: -1},
		Breaker:     breaker.Config{Trip: breaker.Trip{Open: -1}, Limits: breaker.LimitsConfig{MaxRequests: -1}},
		Balance:     lb.Config{Name: "x", Panic: mesh.Percent(101)},
		Ejection:    outlier.Config{Interval: -1},
		Connections: upstream.Connections{PerEndpoint: -1, PingTimeout: time.Second},
		Health:      upstream.Health{Path: "healthz"},
		Transport:   http.DefaultTransport,
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.ElementsMatch(t, []string{
		"upstream.Balance.Name", "upstream.Connections.PerEndpoint", "upstream.Connections.PingTimeout",
		"upstream.Health.Path", "upstream.Health.Interval", "upstream.Transport", "upstream.Retry.PerTry",
		"upstream.Breaker.Trip.Open", "upstream.Breaker.Limits.MaxRequests", "upstream.Ejection.Interval",
		"upstream.Balance.Panic", "upstream.Balance.Endpoints[0].Addr",
	}, fields)
}

// The defaults repeat only what is safe to repeat.
func TestTheDefaultRepeatsWhatIsSafe(t *testing.T) {
	var hits atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				hits.Add(1)
			}
			c.Close()
		}
	}()
	u := open(t, upstream.Config{Endpoints: lb.Addrs(l.Addr().String())})
	client := &http.Client{Transport: u}
	_, err = client.Get("http://reviews/")
	require.Error(t, err)
	require.EqualValues(t, 2, hits.Swap(0))
	_, err = client.Post("http://reviews/", "text/plain", strings.NewReader("x"))
	require.Error(t, err)
	require.EqualValues(t, 1, hits.Swap(0))
	require.Equal(t, mesh.MaybeProcessed, mesh.StageOf(err))
}

func TestAPostThatWasNotSentGoesToAnotherEndpoint(t *testing.T) {
	var hits atomic.Int64
	u := open(t, upstream.Config{
		Endpoints: lb.Addrs(closedPort(t), serve(t, func(w http.ResponseWriter, r *http.Request) { hits.Add(1); io.Copy(w, r.Body) })),
		Balance:   lb.Config{Algorithm: lb.RoundRobin{}},
	})
	for range 100 {
		res, err := (&http.Client{Transport: u}).Post("http://reviews/", "text/plain", strings.NewReader("once"))
		require.NoError(t, err)
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		require.Equal(t, "once", string(b))
	}
	require.EqualValues(t, 100, hits.Load())
	require.Equal(t, 1, u.Stats().Ejections.Ejected, "the dead endpoint is taken out of use")
}

func TestABrokenOffAnswerCountsAsEnvoyCountsIt(t *testing.T) {
	// A 200 whose body is cut is a success and then a failure: never two in a row.
	u := open(t, upstream.Config{
		Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "short")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})),
		Ejection: outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Always},
	})
	for range 10 {
		_, _, err := get(u)
		require.Equal(t, mesh.ProtocolError, mesh.FlagOf(err))
	}
	require.Zero(t, u.Stats().Ejections.Detected)
}

func TestCancelledCallsBlameNobody(t *testing.T) {
	u := open(t, upstream.Config{
		Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })),
		Breaker:   breaker.Config{Trip: breaker.Trip{Consecutive: 3}},
		Ejection:  outlier.Config{Consecutive5xx: 3, MaxEjected: mesh.Always},
	})
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews/", nil)
		require.NoError(t, err)
		_, err = u.RoundTrip(r)
		require.Error(t, err)
		cancel()
	}
	s := u.Stats()
	require.Equal(t, breaker.Closed, s.Breaker.State)
	require.Zero(t, s.Ejections.Detected)
}

func TestTheAttemptLayerSeesEveryAttempt(t *testing.T) {
	var seen atomic.Int64
	u := open(t, upstream.Config{
		Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })),
		Retry:     retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}},
		Attempt: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				seen.Add(1)
				if !strings.HasPrefix(r.URL.Host, "127.0.0.1:") || r.Host != "reviews" {
					t.Errorf("the layer got %s for %s", r.URL.Host, r.Host)
				}
				return next.RoundTrip(r)
			})
		},
	})
	status, _, err := get(u)
	require.NoError(t, err)
	require.Equal(t, 503, status)
	require.EqualValues(t, 3, seen.Load())
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnUpdateKeepsConnectionsAndCounters(t *testing.T) {
	c := upstream.Config{
		Name:      "reviews",
		Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })),
		Breaker:   breaker.Config{Trip: breaker.Trip{Consecutive: 3}},
	}
	u := open(t, c)
	for range 2 {
		get(u)
	}
	c.Breaker.Limits.MaxRequests = 10
	c.Balance.Algorithm = lb.RoundRobin{}
	c.Dial = new(net.Dialer).DialContext
	require.NoError(t, u.Update(c))
	get(u)
	_, _, err := get(u)
	require.ErrorIs(t, err, breaker.ErrOpen, "failures before the update count")
	require.EqualValues(t, 1, u.Stats().Connections.Opened)

	bad := c
	bad.Retry.PerTry = -1
	require.Error(t, u.Update(bad))

	c.Connections.MaxRequests = 5
	c.Breaker.Trip = breaker.Trip{}
	require.NoError(t, u.Update(c))
	_, _, err = get(u)
	require.NoError(t, err)
	require.EqualValues(t, 2, u.Stats().Connections.Opened, "the old one and the one of the new pool")
	require.Eventually(t, func() bool { return u.Stats().Limits.Connections == 1 }, time.Minute, time.Millisecond, "the old pool is drained")
}

func TestTheCallersRequestIsNotChanged(t *testing.T) {
	u := open(t, upstream.Config{Endpoints: lb.Addrs(serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))})
	body := &closes{Reader: strings.NewReader("x")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://reviews/a?b=c", body)
	require.NoError(t, err)
	r.Header.Set("A", "b")
	url, header := *r.URL, r.Header.Clone()
	res, err := u.RoundTrip(r)
	require.NoError(t, err)
	io.ReadAll(res.Body)
	res.Body.Close()
	require.Equal(t, url, *r.URL)
	require.Equal(t, header, r.Header)
	require.Same(t, body, r.Body)
	require.Same(t, r, res.Request)
	require.EqualValues(t, 1, body.n.Load())
}

type closes struct {
	io.Reader
	n atomic.Int64
}

func (c *closes) Close() error { c.n.Add(1); return nil }

func TestTheStackOverAStubCostsThreeAllocations(t *testing.T) {
	body := io.NopCloser(eof{})
	u := open(t, upstream.Config{
		Endpoints: lb.Addrs("a:80", "b:80", "c:80"),
		Retry:     retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}},
		Breaker:   breaker.Config{Trip: breaker.Trip{Consecutive: 5}, Limits: breaker.LimitsConfig{MaxRequests: 1024, MaxConnections: 1024}},
		Ejection:  outlier.Config{},
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200, Body: body}, nil }),
	})
	r, err := http.NewRequest(http.MethodGet, "http://reviews/", nil)
	require.NoError(t, err)
	allocs := testing.AllocsPerRun(1000, func() {
		res, err := u.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	})
	require.LessOrEqual(t, allocs, 3.0)
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func TestRunEndsWithItsContextOrTheUpstream(t *testing.T) {
	u := open(t, upstream.Config{Endpoints: lb.Addrs("127.0.0.1:1")})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	require.Equal(t, enough, u.Run(ctx))
	done := make(chan error)
	go func() { done <- u.Run(context.Background()) }()
	require.NoError(t, u.Close())
	require.NoError(t, <-done)
}

func TestAnUpstreamTellsWhatItIsKnownAs(t *testing.T) {
	budget, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 3})
	require.NoError(t, err)
	service := upstream.Service{Host: "reviews.shop.svc.cluster.local", Namespace: "shop"}
	u, err := upstream.New(upstream.Config{Name: "reviews", Service: service, Retry: retry.Config{Budget: budget}, NoRetry: true})
	require.NoError(t, err)
	defer u.Close()
	require.Equal(t, service, u.Service())
	require.Same(t, budget, u.RetryBudget())
}
