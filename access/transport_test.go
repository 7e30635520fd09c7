package access_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
)

func TestTransportKeepsTheContract(t *testing.T) {
	meshtest.TestTransport(t, access.Sink(func(context.Context, access.Record) {}).Transport)
}

func TestNoSinkIsNoLayer(t *testing.T) {
	next := meshtest.NewUpstream()
	require.Equal(t, http.RoundTripper(next), access.Sink(nil).Transport(next))
	handler := http.NotFoundHandler()
	require.NotNil(t, access.Sink(nil).Handler(handler))
	require.Nil(t, access.Join())
	require.Nil(t, access.Join(nil, nil))
}

func TestJoinTellsAll(t *testing.T) {
	a, b := newTold(), newTold()
	access.Join(a.Sink, nil, b.Sink)(t.Context(), access.Record{})
	require.Equal(t, 1, a.count())
	require.Equal(t, 1, b.count())
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func request(t *testing.T, ctx context.Context, method, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://reviews/a%2F?b=c", strings.NewReader(body))
	require.NoError(t, err)
	return r
}

type host string

func (h host) Addr() string { return string(h) }

// TestARequestIsToldWhenItsLastByteHasPassed goes through the life of one.
func TestARequestIsToldWhenItsLastByteHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		log := newTold()
		transport := access.Sink(log.Sink).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			f, try := flow.Of(r), flow.TryOf(r)
			f.Route, f.Branch, f.Upstream = "rule", "v1", "outbound|80|v1|reviews"
			m := f.Tell()
			m.Flags, m.Delayed, m.Faults, m.Mirrors = mesh.DelayInjected, time.Second, []string{"delay 1s"}, []string{"shadow"}
			try.Host = host("10.0.0.1:80")
			f.Drawn, f.DrawnOf = 7, 100
			try.Begin()
			time.Sleep(3 * time.Second)
			_, err := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			return &http.Response{
				StatusCode: 201, Header: http.Header{"X-A": {"1"}}, Trailer: http.Header{"X-T": {"2"}},
				Body: io.NopCloser(io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo"))), Request: r,
			}, err
		}))
		r := request(t, t.Context(), http.MethodPost, "four")
		res, err := transport.RoundTrip(r)
		require.NoError(t, err)
		require.Same(t, r, res.Request)
		require.Zero(t, log.count(), "the body has not ended")
		time.Sleep(time.Second)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "hello", string(body))
		require.Equal(t, 1, log.count(), "it has")
		res.Body.Close()
		res.Body.Close()

		got := log.one(t)
		require.Equal(t, access.Record{
			Start: began, Duration: 4 * time.Second, Waited: 2 * time.Second,
			Method: "POST", Host: "reviews", Path: "/a%2F?b=c", Protocol: "HTTP/1.1",
			Route: "rule", Branch: "v1", Upstream: "outbound|80|v1|reviews", Endpoint: "10.0.0.1:80",
			Last:  mesh.Try{N: 1, Endpoint: "10.0.0.1:80", Start: began},
			Drawn: 7, DrawnOf: 100,
			Status: 201, Flags: "DI", Details: "via_upstream", Received: 4, Sent: 5, Attempts: 1,
			Faults: []string{"delay 1s"}, Mirrors: []string{"shadow"},
			Request: r, Header: http.Header{"X-A": {"1"}}, Trailer: http.Header{"X-T": {"2"}},
		}, got)
	})
}

// brokenBody fails after its text.
type brokenBody struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

// Close implements io.Closer.
func (brokenBody) Close() error { return nil }

func TestHowARequestEnded(t *testing.T) {
	refused := &mesh.Error{Op: "lb", Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream, Err: errors.New("why")}
	timeout := &mesh.Error{Op: "timeout", Flag: mesh.UpstreamTimeout, Status: 504, Details: mesh.DetailsResponseTimeout}
	denied := &mesh.Error{Op: "authz", Flag: mesh.Denied, Status: 403, Details: "rbac_access_denied_matched_policy[none]"}
	answer := func(status int, body io.ReadCloser) func(*http.Request, context.CancelFunc) (*http.Response, error) {
		return func(*http.Request, context.CancelFunc) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
		}
	}
	text := func() io.ReadCloser { return io.NopCloser(strings.NewReader("hello")) }
	readAll := func(body io.ReadCloser, _ context.CancelFunc) { io.Copy(io.Discard, body) }
	for _, tt := range []struct {
		name    string
		next    func(r *http.Request, leave context.CancelFunc) (*http.Response, error)
		caller  func(body io.ReadCloser, leave context.CancelFunc)
		replies bool // errors become replies inside
		want    string
		sent    int64
	}{
		{name: "an answer", next: answer(200, text()), caller: readAll, want: "200  via_upstream", sent: 5},
		{name: "a failure of the server's", next: answer(503, text()), caller: readAll, want: "503  via_upstream", sent: 5},
		{name: "an answer without a body", next: answer(204, http.NoBody), want: "204  via_upstream"},
		{name: "a body that nobody wants", next: answer(200, text()),
			caller: func(body io.ReadCloser, _ context.CancelFunc) { body.Close() }, want: "200  via_upstream"},
		{name: "a refusal", next: func(*http.Request, context.CancelFunc) (*http.Response, error) { return nil, refused }, want: "503 UH no_healthy_upstream"},
		{name: "a refusal as a reply", replies: true, next: func(*http.Request, context.CancelFunc) (*http.Response, error) { return nil, refused },
			caller: readAll, want: "503 UH no_healthy_upstream", sent: int64(len("no healthy upstream"))},
		{name: "a bound of ours", next: func(*http.Request, context.CancelFunc) (*http.Response, error) { return nil, timeout }, want: "504 UT response_timeout"},
		{name: "access denied has no flag", next: func(*http.Request, context.CancelFunc) (*http.Response, error) { return nil, denied },
			want: "403  rbac_access_denied_matched_policy[none]"},
		{name: "the caller left before the answer", next: func(r *http.Request, leave context.CancelFunc) (*http.Response, error) {
			leave()
			return nil, r.Context().Err()
		}, want: "0 DC downstream_remote_disconnect"},
		{name: "whatever error that gave", next: func(_ *http.Request, leave context.CancelFunc) (*http.Response, error) {
			leave()
			return nil, io.ErrUnexpectedEOF
		}, want: "0 DC downstream_remote_disconnect"},
		{name: "the caller's own time was up", next: func(*http.Request, context.CancelFunc) (*http.Response, error) {
			return nil, &mesh.Error{Op: "test", Flag: mesh.ClientGone, Status: 499}
		}, want: "0 DC downstream_remote_disconnect"},
		{name: "the caller left after the headers", next: answer(200, text()), caller: func(body io.ReadCloser, leave context.CancelFunc) {
			io.CopyN(io.Discard, body, 2)
			leave()
			body.Close()
		}, want: "200 DC downstream_remote_disconnect", sent: 2},
		{name: "a body that breaks off", next: answer(200, brokenBody{strings.NewReader("hel"), io.ErrUnexpectedEOF}), caller: readAll,
			want: "200 UPE upstream_reset_after_response_started{protocol_error}", sent: 3},
		{name: "a body that is reset", next: answer(200, brokenBody{strings.NewReader("hel"), errors.New("read: connection reset by peer")}), caller: readAll,
			want: "200 UC upstream_reset_after_response_started{connection_termination}", sent: 3},
		{name: "a bound within the body", next: answer(200, brokenBody{strings.NewReader("hel"), timeout}), caller: readAll,
			want: "200 UT response_timeout", sent: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := newTold()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var next http.RoundTripper = roundTripper(func(r *http.Request) (*http.Response, error) { return tt.next(r, leave) })
			if tt.replies {
				next = mesh.ErrorsAsResponses(next)
			}
			res, err := access.Sink(log.Sink).Transport(next).RoundTrip(request(t, ctx, http.MethodGet, ""))
			if err == nil && tt.caller != nil {
				tt.caller(res.Body, leave)
				res.Body.Close()
			}
			got := log.one(t)
			require.Equal(t, tt.want, strings.Join([]string{slog.IntValue(got.Status).String(), string(got.Flags), got.Details}, " "))
			require.Equal(t, tt.sent, got.Sent)
			if err != nil {
				require.Equal(t, err, got.Err)
			}
		})
	}
}

func TestAFailureIsToldInWords(t *testing.T) {
	log := newTold()
	_, err := access.Sink(log.Sink).Transport(http.DefaultTransport).RoundTrip(func() *http.Request {
		r := request(t, t.Context(), http.MethodGet, "")
		r.URL.Host = "127.0.0.1:1"
		return r
	}())
	require.Error(t, err)
	got := log.one(t)
	require.Equal(t, 503, got.Status)
	require.Equal(t, mesh.ConnectFailure, got.Flags)
	require.Contains(t, got.Failure, "connection refused")
	require.Zero(t, got.Waited)
	require.Equal(t, "delayed_connect_error:_Connection_refused", line(t, "%UPSTREAM_TRANSPORT_FAILURE_REASON%", got))
}

// TestBytesAreCountedWhileTheRequestIsStillSent ends the answer before the
// request; the race detector looks on.
func TestBytesAreCountedWhileTheRequestIsStillSent(t *testing.T) {
	log := newTold()
	sent := make(chan struct{})
	transport := access.Sink(log.Sink).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		go func() {
			defer close(sent)
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}()
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}))
	_, err := transport.RoundTrip(request(t, t.Context(), http.MethodPost, strings.Repeat("x", 1<<20)))
	require.NoError(t, err)
	require.LessOrEqual(t, log.one(t).Received, int64(1<<20))
	<-sent
}

func TestSlog(t *testing.T) {
	var out bytes.Buffer
	sink := access.Slog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "start_time" {
			return slog.Attr{}
		}
		return a
	}})))
	sink(t.Context(), access.Record{Method: "GET", Host: "reviews", Path: "/", Protocol: "HTTP/1.1", Status: 200, Duration: time.Second, Attempts: 1})
	require.Equal(t, "level=INFO msg=request method=GET authority=reviews path=/ protocol=HTTP/1.1 response_code=200 duration=1s bytes_received=0 bytes_sent=0\n", out.String())
	out.Reset()
	sink(t.Context(), access.Record{
		Method: "GET", Status: 503, Flags: "URX,UF", Details: "d", Route: "r", Branch: "b", Upstream: "u", Endpoint: "e", Failure: "f",
		Attempts: 3, Err: errors.New("why"),
	})
	require.Equal(t, "level=WARN msg=request method=GET authority=\"\" path=\"\" protocol=\"\" response_code=503 duration=0s bytes_received=0 bytes_sent=0 "+
		"response_flags=URX,UF response_code_details=d route_name=r branch=b upstream_cluster=u upstream_host=e upstream_transport_failure_reason=f attempts=3 error=why\n", out.String())
	out.Reset()
	sink(t.Context(), access.Record{Status: 0, Flags: "DC"})
	require.Contains(t, out.String(), "level=WARN")
}

// duplex is the body of an answer that switches protocols: also a way to the server.
type duplex struct {
	io.ReadCloser
	io.Writer
}

func TestAnUpgradedConnectionKeepsItsOtherDirectionWhateverItsType(t *testing.T) {
	log := newTold()
	transport := access.Sink(log.Sink).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusSwitchingProtocols, Header: http.Header{"Content-Type": {"application/grpc"}},
			Body: duplex{io.NopCloser(strings.NewReader("hello")), io.Discard}, Request: r,
		}, nil
	}))
	res, err := transport.RoundTrip(request(t, t.Context(), http.MethodGet, ""))
	require.NoError(t, err)
	require.Implements(t, (*io.Writer)(nil), res.Body)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 1, log.count())
}
