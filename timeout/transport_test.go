package timeout

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func bounded(t testing.TB, c Config) *Timeout {
	t.Helper()
	b, err := New(c)
	require.NoError(t, err)
	return b
}

func anybody(*http.Request) bool { return true }

// pipes runs h behind a real transport over connections in memory, so that time
// can be a synctest bubble's.
func pipes(t *testing.T, h http.Handler) *http.Transport {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		l.conns <- far
		return near, nil
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return transport
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

// send makes a request of method GET, or POST with a body.
func send(ctx context.Context, rt http.RoundTripper, body io.Reader) (*http.Response, error) {
	method := "GET"
	if body != nil {
		method = "POST"
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://svc/", body)
	if err != nil {
		return nil, err
	}
	return rt.RoundTrip(r)
}

// requireExpired holds err to what a request of which the time is over ends with.
func requireExpired(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var e *mesh.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, mesh.UpstreamTimeout, e.Flag)
	require.Equal(t, 504, e.Status)
	require.Equal(t, "response_timeout", e.Details)
	require.Equal(t, "upstream request timeout", e.Body())
	require.Equal(t, mesh.MaybeProcessed, e.Stage)
	require.True(t, e.Timeout())
	require.Equal(t, mesh.Failure, mesh.OutcomeOf(context.Background(), nil, err).Kind)
}

// sleep waits for d or for the end of r's context.
func sleep(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

func TestATimeThatIsOverBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: 300 * time.Millisecond}).Transport(pipes(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			sleep(r, 2*time.Second)
		})))
		start := time.Now()
		_, err := send(t.Context(), rt, nil)
		requireExpired(t, err)
		require.Equal(t, "timeout", mesh.AsError(err).Op)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

func TestAnAnswerInTimeIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: 300 * time.Millisecond}).Transport(pipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sleep(r, 100*time.Millisecond)
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			sleep(r, 100*time.Millisecond)
			_, _ = io.WriteString(w, "later")
		})))
		res, err := send(t.Context(), rt, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "firstlater", string(body))
		require.NoError(t, res.Body.Close())
	})
}

func TestATimeThatIsOverWithinTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: 300 * time.Millisecond}).Transport(pipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			sleep(r, 2*time.Second)
		})))
		start := time.Now()
		res, err := send(t.Context(), rt, nil)
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		body, err := io.ReadAll(res.Body)
		requireExpired(t, err)
		require.Equal(t, "first", string(body))
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		require.NoError(t, res.Body.Close())
	})
}

// trickle is a request's body that comes in parts.
type trickle struct {
	parts int
	every time.Duration
}

func (b *trickle) Read(p []byte) (int, error) {
	if b.parts == 0 {
		return 0, io.EOF
	}
	b.parts--
	time.Sleep(b.every)
	return copy(p, "part"), nil
}

func TestTheTimeBeginsAtTheEndOfTheRequestsBody(t *testing.T) {
	for name, answer := range map[string]time.Duration{"in time": 200 * time.Millisecond, "late": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := bounded(t, Config{Total: 300 * time.Millisecond}).Transport(pipes(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					sleep(r, answer)
				})))
				start := time.Now()
				res, err := send(t.Context(), rt, &trickle{parts: 10, every: 100 * time.Millisecond})
				if name == "late" {
					requireExpired(t, err)
					require.Equal(t, 1300*time.Millisecond, time.Since(start))
					return
				}
				require.NoError(t, err)
				require.Equal(t, 1200*time.Millisecond, time.Since(start))
				require.NoError(t, res.Body.Close())
			})
		})
	}
}

func TestTheTimeOfARequestWithABodyRunsOnIntoTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: 300 * time.Millisecond}).Transport(pipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			sleep(r, 2*time.Second)
		})))
		res, err := send(t.Context(), rt, strings.NewReader("x"))
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		requireExpired(t, err)
		require.NoError(t, res.Body.Close())
	})
}

func TestTheCallersDeadlineStaysTheCallers(t *testing.T) {
	why := errors.New("the page was closed")
	for name, c := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		}, context.DeadlineExceeded},
		"cancel with a cause": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
			return ctx, func() { cancel(nil) }
		}, why},
	} {
		for kind, body := range map[string]func() io.Reader{
			"without a body": func() io.Reader { return nil },
			"with a body":    func() io.Reader { return strings.NewReader("x") },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rt := bounded(t, Config{Total: 300 * time.Millisecond}).Transport(pipes(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						sleep(r, 2*time.Second)
					})))
					ctx, cancel := c.ctx(t.Context())
					defer cancel()
					_, err := send(ctx, rt, body())
					require.ErrorIs(t, err, c.want)
					var e *mesh.Error
					require.False(t, errors.As(err, &e), "%v", err)
					require.Equal(t, mesh.Neutral, mesh.OutcomeOf(ctx, nil, err).Kind)
				})
			})
		}
	}
}

func TestNothingIsLeftWhenTheBodyHasEnded(t *testing.T) {
	for name, end := range map[string]func(*http.Response) error{
		"read":   func(res *http.Response) error { _, err := io.Copy(io.Discard, res.Body); return err },
		"closed": func(res *http.Response) error { return res.Body.Close() },
	} {
		for kind, body := range map[string]io.Reader{"without": nil, "with": strings.NewReader("x")} {
			t.Run(name+", "+kind+" a body", func(t *testing.T) {
				var ctx context.Context
				rt := bounded(t, Config{Total: time.Hour}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
					ctx = r.Context()
					if r.Body != nil {
						_, _ = io.Copy(io.Discard, r.Body)
						_ = r.Body.Close()
					}
					return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("answer"))}, nil
				}))
				res, err := send(t.Context(), rt, body)
				require.NoError(t, err)
				require.NoError(t, ctx.Err())
				require.NoError(t, end(res))
				require.ErrorIs(t, ctx.Err(), context.Canceled)
			})
		}
	}
}

func TestABodyThatEndsAfterTheAnswerStartsNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late io.ReadCloser
		rt := bounded(t, Config{Total: time.Second}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			late = r.Body
			return &http.Response{StatusCode: 413, Body: http.NoBody}, nil
		}))
		_, err := send(t.Context(), rt, strings.NewReader("x"))
		require.NoError(t, err)
		require.NoError(t, late.Close())
		require.Equal(t, stopped, late.(*sent).bounding.phase)
	})
}

func TestTheCallersRequestIsNotChanged(t *testing.T) {
	body := io.NopCloser(strings.NewReader("x"))
	r := httptest.NewRequest("POST", "http://svc/", body)
	r.Header.Set(wishHeader, "100")
	before, headers := *r, r.Header.Clone()
	rt := mesh.Chain(bounded(t, Config{Total: time.Hour, Honor: anybody}).Transport, Announce)(roundTripper(func(got *http.Request) (*http.Response, error) {
		require.NotSame(t, r, got)
		require.NotContains(t, got.Header, wishHeader)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}))
	_, err := rt.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, headers, r.Header)
	require.Equal(t, before.Body, r.Body)
}

func TestTunnelsAreNotBoundedAndHandlersNotForOtherProtocols(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"upgrade": {Method: "GET", Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}},
		"tunnel":  {Method: "CONNECT"},
	} {
		r = r.WithContext(t.Context())
		if name == "tunnel" {
			rt := bounded(t, Config{Total: time.Nanosecond}).Transport(roundTripper(func(got *http.Request) (*http.Response, error) {
				require.Same(t, r, got, name)
				return &http.Response{StatusCode: 200}, nil
			}))
			_, err := rt.RoundTrip(r)
			require.NoError(t, err, name)
		}
		handled := false
		bounded(t, Config{Total: time.Nanosecond}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
			handled = true
			require.Same(t, r, got, name)
		})).ServeHTTP(httptest.NewRecorder(), r)
		require.True(t, handled)
	}
}

func TestProblems(t *testing.T) {
	_, err := New(Config{Total: -1, MaxHonor: -1, Floor: -1})
	var got []string
	for p := range mesh.Problems(err) {
		got = append(got, p.Field)
	}
	require.Equal(t, []string{"timeout.Total", "timeout.MaxHonor", "timeout.Floor"}, got)
	for _, c := range []Config{
		{Total: time.Second, Floor: 2 * time.Second},
		{MaxHonor: time.Second, Floor: 2 * time.Second, Honor: anybody},
		{MaxHonor: time.Second},
	} {
		_, err := New(c)
		require.Error(t, err, "%+v", c)
	}

	b := bounded(t, Config{Total: time.Second})
	require.Error(t, b.Update(Config{Total: -1}))
	require.Equal(t, time.Second, b.now.Load().Total)
	require.NoError(t, b.Update(Config{Total: time.Minute}))
	require.Equal(t, time.Minute, b.now.Load().Total)
}
