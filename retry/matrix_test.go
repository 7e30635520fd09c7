package retry_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/wiretest"
	"github.com/sidecarless/mesh/retry"
)

// A matrixCase is what Envoy did under one condition with one upstream.
type matrixCase struct {
	RetryOn     string   `json:"retry_on"`
	Upstream    string   `json:"upstream"`
	Attempts    int      `json:"attempts"`
	Status      int      `json:"status"`
	Flags       string   `json:"flags"`
	Details     string   `json:"details"`
	Body        string   `json:"body"`
	ClientError string   `json:"client_error"`
	Saw         int      `json:"upstream_saw"`
	Counts      []string `json:"upstream_attempt_counts"`
}

// TestRetryMatrix plays every condition against every behaviour of an upstream,
// over real connections, and compares with what Envoy 1.40 did. Where time is up, it is
// that of a bubble.
func TestRetryMatrix(t *testing.T) {
	data, err := os.ReadFile("../conformance/testdata/envoy/retry_matrix.json")
	require.NoError(t, err)
	var file struct{ Cases []matrixCase }
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		t.Run(c.RetryOn+" with "+c.Upstream, func(t *testing.T) {
			t.Parallel()
			switch c.Upstream {
			case "global-timeout", "per-try-timeout":
				synctest.Test(t, func(t *testing.T) { playCell(t, c, wiretest.Listen()) })
			default:
				playCell(t, c, nil)
			}
		})
	}
}

// envoyConfig is a policy with all of Envoy's ways.
func envoyConfig() retry.Config {
	return retry.Config{
		Unsafe: true, Overloaded: true, WaitOut: true, MaxRetryAfter: -1,
		MaxBody: 1 << 20, HostPicks: 1, TellAttempt: true,
	}
}

// matrixPolicy is what was configured for a condition of the matrix.
func matrixPolicy(t *testing.T, retryOn string) retry.Config {
	c := envoyConfig()
	c.Attempts = 2
	c.PerTry = 100 * time.Millisecond
	c.Backoff = retry.Backoff{Base: time.Millisecond, Max: 2 * time.Millisecond}
	c.On = []retry.Condition{}
	switch retryOn {
	case "none":
		c.Attempts, c.PerTry = -1, 0
	case "istio-default":
		c.On = []retry.Condition{retry.ConnectFailure, retry.RefusedStream, retry.Unavailable, retry.Cancelled, retry.StatusCodes}
		c.Statuses = []int{503}
	case "retriable-status-codes":
		c.On = []retry.Condition{retry.StatusCodes}
		c.Statuses = []int{404, 503}
	case "retriable-status-codes-empty":
		c.On = []retry.Condition{retry.StatusCodes}
	case "retriable-headers":
		c.On = []retry.Condition{retry.AnswerHeaders}
		c.AnswerHeaders = []retry.HeaderMatch{{Name: "x-again", Value: "yes"}}
	case "5xx-unknown": // Envoy passes over words it does not know
		c.On = []retry.Condition{retry.ServerError}
	case "5xx-request-header":
		c.On = []retry.Condition{retry.ServerError}
		c.RequestHeaders = []retry.HeaderMatch{{Name: "x-allow", Value: "yes"}}
	default:
		on, _, err := retry.ParseOn(retryOn)
		require.NoError(t, err)
		c.On = on
	}
	return c
}

// A stub is one behaviour of an upstream.
type stub struct {
	handle func(net.Conn)
	http2  bool
	mu     sync.Mutex
	counts []string // the attempt count of each request over HTTP/1.1
}

const stubBody = "28001"

// matrixStub is the behaviour of that name.
func matrixStub(t *testing.T, name string) *stub {
	s := new(stub)
	answers := func(do func(c net.Conn, n int)) {
		s.handle = wiretest.HTTP1(func(c net.Conn, r *http.Request) {
			s.mu.Lock()
			s.counts = append(s.counts, r.Header.Get("x-envoy-attempt-count"))
			n := len(s.counts)
			s.mu.Unlock()
			do(c, n)
		})
	}
	statuses := func(codes ...int) {
		answers(func(c net.Conn, n int) { wiretest.Answer(c, codes[min(n, len(codes))-1], stubBody) })
	}
	with := func(status int, header string) {
		answers(func(c net.Conn, n int) { wiretest.Answer(c, status, stubBody, header) })
	}
	h2 := func(do func(wiretest.H2Stream)) { s.http2, s.handle = true, wiretest.HTTP2(do) }
	hang := func() { answers(func(c net.Conn, n int) { wiretest.Hang(c) }) }

	switch name {
	case "reset-rst":
		answers(func(c net.Conn, n int) { wiretest.Reset(c) })
	case "reset-fin":
		answers(func(c net.Conn, n int) { c.Close() })
	case "reset-after-headers":
		answers(func(c net.Conn, n int) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789") })
	case "protocol-error":
		answers(func(c net.Conn, n int) { io.WriteString(c, "this is not HTTP\r\n\r\n") })
	case "global-timeout", "per-try-timeout":
		hang()
	case "503-overloaded":
		with(503, "x-envoy-overloaded: true")
	case "503-ratelimited":
		with(503, "x-envoy-ratelimited: true")
	case "429-ratelimited":
		with(429, "x-envoy-ratelimited: true")
	case "503-retriable-header":
		with(503, "x-again: yes")
	case "200-retriable-header":
		with(200, "x-again: yes")
	case "200-grpc-0", "200-grpc-1", "200-grpc-4", "200-grpc-8", "200-grpc-13", "200-grpc-14":
		with(200, "grpc-status: "+strings.TrimPrefix(name, "200-grpc-"))
	case "flaky-503-200":
		statuses(503, 200)
	case "flaky-503-503-404":
		statuses(503, 503, 404)
	case "flaky-404-503":
		statuses(404, 503, 200)
	case "503-post-body", "503-allow-header":
		statuses(503)
	case "h2-ok":
		h2(wiretest.H2Stream.OK)
	case "h2-refused-stream":
		h2(func(s wiretest.H2Stream) { s.Reset(wiretest.RefusedStream) })
	case "h2-cancel":
		h2(func(s wiretest.H2Stream) { s.Reset(wiretest.Cancel) })
	case "h2-internal-error":
		h2(func(s wiretest.H2Stream) { s.Reset(wiretest.InternalError) })
	case "h2-enhance-your-calm":
		h2(func(s wiretest.H2Stream) { s.Reset(wiretest.EnhanceYourCalm) })
	case "h2-goaway":
		h2(func(s wiretest.H2Stream) { s.GoAway(0, wiretest.NoError) })
	case "h2-close":
		h2(func(s wiretest.H2Stream) { s.Conn.Close() })
	case "refused", "no-host":
	default:
		status, err := strconv.Atoi(name)
		require.NoError(t, err, "unknown upstream %s", name)
		statuses(status)
	}
	return s
}

// noHost is what a balancer without endpoints does.
type noHost struct{}

func (noHost) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &mesh.Error{Op: "lb", Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream}
}

// playCell plays over a network in memory, if there is one.
func playCell(t *testing.T, c matrixCase, memory *wiretest.Loopback) {
	config := matrixPolicy(t, c.RetryOn)
	switch c.Upstream {
	case "global-timeout":
		config.PerTry = 0
	case "per-try-timeout":
	default:
		config.PerTry *= 600 // it has no part in the others, but a busy machine is slow
	}
	upstream := matrixStub(t, c.Upstream)
	var next http.RoundTripper
	var server *wiretest.Server
	switch {
	case memory != nil:
		server = wiretest.ServeOn(t, memory, upstream.handle)
		client := wiretest.NewClient(server.Addr(), upstream.http2)
		client.Transport.DialContext = memory.Dial
		next = client
	case upstream.handle != nil:
		server = wiretest.Serve(t, upstream.handle)
		next = wiretest.NewClient(server.Addr(), upstream.http2)
	case c.Upstream == "refused":
		next = wiretest.NewClient(wiretest.Refusing(t), false)
	default:
		next = noHost{}
	}
	policy, err := retry.New(config)
	require.NoError(t, err)

	method, body := http.MethodGet, io.Reader(nil)
	if c.Upstream == "503-post-body" {
		method, body = http.MethodPost, io.MultiReader(strings.NewReader("hello"))
	}
	ctx := context.Background()
	if c.Upstream == "global-timeout" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, 150*time.Millisecond, &mesh.Error{
			Op: "timeout", Flag: mesh.UpstreamTimeout, Status: 504, Details: mesh.DetailsResponseTimeout,
		})
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://svc.example/", body)
	require.NoError(t, err)
	if c.Upstream == "503-allow-header" {
		r.Header.Set("X-Allow", "yes")
	}
	f, r := flow.Ensure(r)

	res, err := policy.Transport(next).RoundTrip(r)
	require.False(t, res != nil && err != nil, "both an answer and an error")
	flags := f.Tell().Flags
	details := mesh.DetailsViaUpstream
	if err != nil {
		e := mesh.AsError(err)
		flags, details = flags.With(e.Flag), e.Details
		res = mesh.ResponseFor(r, err)
		if c.Attempts > 1 {
			var all *retry.Error
			require.ErrorAs(t, err, &all)
			require.Len(t, all.Tries, c.Attempts)
		}
	}
	got, readErr := io.ReadAll(res.Body)
	res.Body.Close()

	require.Equal(t, c.Status, res.StatusCode)
	require.Equal(t, c.Body, string(got))
	require.Equal(t, c.Attempts, f.Attempts())
	if c.ClientError != "" {
		// How a body that broke off is told is the access log's affair.
		require.True(t, errors.Is(readErr, io.ErrUnexpectedEOF), "%v", readErr)
		require.Empty(t, flags)
	} else {
		require.NoError(t, readErr)
		require.Equal(t, strings.TrimPrefix(c.Flags, "-"), string(flags))
		require.Equal(t, c.Details, details)
	}
	if server != nil {
		require.Equal(t, c.Saw, server.Conns())
	}
	if !upstream.http2 {
		upstream.mu.Lock()
		defer upstream.mu.Unlock()
		require.Equal(t, c.Counts, upstream.counts)
	}
}
