package otelmesh_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

// What becomes of a request, and the spans that tell it. The attempts are those
// that reach the server's side of the layers; the error types are Envoy's details.
func TestASpanForEachRequestAndEachAttempt(t *testing.T) {
	refusedConnection := errors.New("malformed HTTP response")
	for name, c := range map[string]struct {
		replies []meshtest.Reply
		config  func(*upstream.Config)
		outer   func(t *testing.T) func(http.RoundTripper) http.RoundTripper
		want    string
	}{
		"an answer": {
			want: `
internal "mesh" 200 attempts=1
  client "GET" 200
`},
		"an answer that the client sees as an error": {
			replies: []meshtest.Reply{{Status: 404}},
			want: `
internal "mesh" 404 error=404 attempts=1 !
  client "GET" 404 error=404 !
`},
		"a retry that succeeds": {
			replies: []meshtest.Reply{{Status: 503}, {}},
			want: `
internal "mesh" 200 attempts=2 +mesh.retry(5xx)
  client "GET" 503 error=503 !
  client "GET" 200 resend=1
`},
		"retries that are used up": {
			replies: []meshtest.Reply{{Status: 503}},
			want: `
internal "mesh" 503 error=503 attempts=3 flags=URX ! +mesh.retry(5xx) +mesh.retry(5xx)
  client "GET" 503 error=503 !
  client "GET" 503 error=503 resend=1 !
  client "GET" 503 error=503 resend=2 !
`},
		"a server that breaks": {
			replies: []meshtest.Reply{{Err: refusedConnection}},
			config:  func(c *upstream.Config) { c.NoRetry = true },
			want: `
internal "mesh" error=upstream_reset_before_response_started{protocol_error} attempts=1 flags=UPE !
  client "GET" error=upstream_reset_before_response_started{protocol_error} flags=UPE !
`},
		"a bound on each attempt": {
			replies: []meshtest.Reply{{Delay: time.Minute}, {}},
			config:  func(c *upstream.Config) { c.Retry.PerTry = time.Second },
			want: `
internal "mesh" 200 attempts=2 +mesh.retry(5xx)
  client "GET" error=upstream_per_try_timeout flags=UT !
  client "GET" 200 resend=1
`},
		"a bound on the request": {
			replies: []meshtest.Reply{{Delay: time.Minute}},
			outer: func(t *testing.T) func(http.RoundTripper) http.RoundTripper {
				bound, err := timeout.New(timeout.Config{Total: time.Second})
				require.NoError(t, err)
				return bound.Transport
			},
			want: `
internal "mesh" error=response_timeout attempts=1 flags=UT !
  client "GET" error=response_timeout flags=UT !
`},
		"a hedge that wins": {
			replies: []meshtest.Reply{{Delay: time.Minute}, {Delay: time.Second}},
			config:  func(c *upstream.Config) { c.Retry.Hedge.After = time.Second },
			want: `
internal "mesh" 200 attempts=2
  client "GET" lost=true
  client "GET" 200 resend=1
`},
		"an injected abort": {
			outer: func(t *testing.T) func(http.RoundTripper) http.RoundTripper {
				faults, err := fault.New(fault.Config{Abort: fault.Abort{Share: mesh.Always, Status: 418}})
				require.NoError(t, err)
				return faults.Transport
			},
			want: `
internal "mesh" 418 error=fault_filter_abort attempts=0 flags=FI ! +mesh.fault(abort with 418)
`},
		"an injected delay": {
			outer: func(t *testing.T) func(http.RoundTripper) http.RoundTripper {
				faults, err := fault.New(fault.Config{Delay: fault.Delay{Share: mesh.Always, For: time.Second}})
				require.NoError(t, err)
				return faults.Transport
			},
			want: `
internal "mesh" 200 attempts=1 flags=DI +mesh.fault(delay 1s)
  client "GET" 200
`},
		"no endpoint": {
			config: func(c *upstream.Config) { c.Endpoints = nil },
			want: `
internal "mesh" error=no_healthy_upstream attempts=1 flags=UH !
`},
		"a refusal as a sidecar's reply": {
			config: func(c *upstream.Config) { c.Endpoints, c.NoRetry = nil, true },
			outer:  func(*testing.T) func(http.RoundTripper) http.RoundTripper { return mesh.ErrorsAsResponses },
			want: `
internal "mesh" 503 error=no_healthy_upstream attempts=0 flags=UH !
`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpans(t)
				config := upstream.Config{
					Name: "svc", Endpoints: []lb.Endpoint{{Addr: "10.0.0.1:80"}},
					Retry:   retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}},
					Attempt: s.Attempt, Transport: meshtest.NewUpstream(c.replies...),
				}
				if c.config != nil {
					c.config(&config)
				}
				up, err := upstream.New(config)
				require.NoError(t, err)
				defer up.Close()
				layers := http.RoundTripper(up)
				if c.outer != nil {
					layers = c.outer(t)(layers)
				}
				send(t, s.Transport(layers), get(t, "http://svc/a")) //nolint:errcheck // the spans tell it
				synctest.Wait()
				require.Equal(t, c.want, "\n"+s.tree())
			})
		})
	}
}

// A copy is a trace of its own, so that it does not lengthen that of the request.
func TestAMirroredCopyIsATraceOfItsOwnWithALink(t *testing.T) {
	s := newSpans(t)
	copies, err := mirror.New(mirror.Config{Name: "shadow", To: s.Attempt(meshtest.NewUpstream(meshtest.Reply{Status: 500})), Share: mesh.Always})
	require.NoError(t, err)
	server := meshtest.NewUpstream()
	_, err = send(t, mesh.Chain(s.Transport, copies.Transport, s.Attempt)(server), get(t, "http://svc/"))
	require.NoError(t, err)
	require.NoError(t, copies.Shutdown(t.Context()))
	require.NoError(t, copies.Close())

	all := map[string]int{}
	for i, one := range s.Ended() {
		all[line(one)] = i
	}
	require.Len(t, all, 3)
	request := s.Ended()[all[`internal "mesh" 200 attempts=1`]]
	attempt := s.Ended()[all[`client "GET" 200`]]
	copied := s.Ended()[all[`client "GET" 500 error=500 mirror=true !`]]
	require.Equal(t, request.SpanContext().SpanID(), attempt.Parent().SpanID())
	require.Equal(t, `["shadow"]`, attributes(request)["mesh.mirrors"])
	require.False(t, copied.Parent().IsValid())
	require.NotEqual(t, request.SpanContext().TraceID(), copied.SpanContext().TraceID())
	require.Equal(t, []trace.SpanContext{request.SpanContext()}, []trace.SpanContext{copied.Links()[0].SpanContext})
}

func TestSpansEndWhenTheLastByteHasPassed(t *testing.T) {
	s := newSpans(t)
	chain := mesh.Chain(s.Transport, s.Attempt)(meshtest.NewUpstream(meshtest.Reply{Body: "hello"}))
	res, err := chain.RoundTrip(get(t, "http://svc/"))
	require.NoError(t, err)
	require.Len(t, s.Started(), 2)
	_, err = io.ReadFull(res.Body, make([]byte, 5))
	require.NoError(t, err)
	require.Empty(t, s.Ended())
	_, err = res.Body.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.Len(t, s.Ended(), 2)
	require.NoError(t, res.Body.Close())
	require.Len(t, s.Ended(), 2)
}

// A caller may close a body that it does not care for; it may also go away.
func TestHowACallerEndsItsRequest(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(cancel context.CancelFunc, res *http.Response)
		want string
	}{
		"it closes the body": {
			end: func(_ context.CancelFunc, res *http.Response) { res.Body.Close() },
			want: `
internal "mesh" 200 attempts=1
  client "GET" 200
`},
		"it cancels": {
			end: func(cancel context.CancelFunc, res *http.Response) {
				cancel()
				io.Copy(io.Discard, res.Body)
			},
			want: `
internal "mesh" 200 error=downstream_remote_disconnect attempts=1 flags=DC !
  client "GET" 200 error=downstream_remote_disconnect flags=DC !
`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpans(t)
			chain := mesh.Chain(s.Transport, s.Attempt)(meshtest.NewUpstream(meshtest.Reply{Body: "hello"}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			res, err := chain.RoundTrip(get(t, "http://svc/").WithContext(ctx))
			require.NoError(t, err)
			c.end(cancel, res)
			require.NoError(t, res.Body.Close())
			require.Equal(t, c.want, "\n"+s.tree())
		})
	}
}

func TestACancelledRequestIsAnError(t *testing.T) {
	s := newSpans(t)
	ctx, cancel := context.WithCancel(t.Context())
	chain := mesh.Chain(s.Transport, s.Attempt)(roundTripper(func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, context.Cause(r.Context())
	}))
	_, err := send(t, chain, get(t, "http://svc/").WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, `
internal "mesh" error=downstream_remote_disconnect attempts=1 flags=DC !
  client "GET" error=downstream_remote_disconnect flags=DC !
`, "\n"+s.tree())
}

func TestABodyThatIsCutIsAnError(t *testing.T) {
	s := newSpans(t)
	url, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "five!")
	}))
	_, err := send(t, mesh.Chain(s.Transport, s.Attempt)(client), get(t, url))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	for _, one := range s.Ended() {
		require.Contains(t, line(one), "200 error=upstream_reset_before_response_started{connection_termination}")
	}
}
