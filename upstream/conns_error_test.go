package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
)

func TestWhatFailedAndHowFarItGot(t *testing.T) {
	for _, c := range []struct {
		name    string
		conf    Connections
		server  func(net.Conn)
		flag    mesh.Flag
		status  int
		stage   mesh.Stage
		details string
	}{
		{
			name: "the server closes after it has read the request", server: func(c net.Conn) { readHead(c) },
			flag: mesh.ConnectionLost, status: 503, stage: mesh.MaybeProcessed,
			details: "upstream_reset_before_response_started{connection_termination}",
		},
		{
			name: "the server resets after it has read the request", server: func(c net.Conn) { readHead(c); c.(*net.TCPConn).SetLinger(0) },
			flag: mesh.ConnectionLost, status: 503, stage: mesh.MaybeProcessed,
			details: "upstream_reset_before_response_started{connection_termination}",
		},
		{
			name: "the answer is no HTTP", server: func(c net.Conn) { readHead(c); io.WriteString(c, "hello there\r\n\r\n") },
			flag: mesh.ProtocolError, status: 502, stage: mesh.Answered,
			details: "upstream_reset_before_response_started{protocol_error}",
		},
		{
			name: "the answer ends within its headers", server: func(c net.Conn) { readHead(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nA: ") },
			flag: mesh.ProtocolError, status: 502, stage: mesh.Answered,
			details: "upstream_reset_before_response_started{protocol_error}",
		},
		{
			name: "the answer has too many headers", server: func(c net.Conn) {
				readHead(c)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+strings.Repeat("A: b\r\n", 100)+"\r\n")
			},
			flag: mesh.ProtocolError, status: 502, stage: mesh.Answered,
			details: "upstream_reset_before_response_started{protocol_error}",
		},
		{
			name: "the answer's headers are too large", server: func(c net.Conn) {
				readHead(c)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: "+strings.Repeat("b", 70_000)+"\r\n\r\n")
			},
			flag: mesh.ProtocolError, status: 502, stage: mesh.Answered,
			details: "upstream_reset_before_response_started{protocol_error}",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := rawServer(t, c.server)
			p := testPool(t, c.conf, nil, breaker.LimitsConfig{}, nil)
			_, err := fetch(t, p, addr)
			requireError(t, err, c.flag, c.status, c.stage, c.details)
			var e *mesh.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, addr, e.Endpoint)
			require.Equal(t, "upstream", e.Op)
			require.Zero(t, p.limits.Stats().Requests)
		})
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		reset        bool
		flag         mesh.Flag
		details      string
	}{
		{"short of its length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", false, mesh.ProtocolError, "upstream_reset_after_response_started{protocol_error}"},
		{"within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc", false, mesh.ProtocolError, "upstream_reset_after_response_started{protocol_error}"},
		{"by a reset", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true, mesh.ConnectionLost, "upstream_reset_after_response_started{connection_termination}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := make(chan struct{})
			addr := rawServer(t, func(n net.Conn) {
				readHead(n)
				io.WriteString(n, c.answer)
				<-got
				if c.reset {
					n.(*net.TCPConn).SetLinger(0)
				}
			})
			p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, nil)
			res, err := p.RoundTrip(request(t, http.MethodGet, addr, nil))
			require.NoError(t, err)
			close(got)
			_, err = io.ReadAll(res.Body)
			requireError(t, err, c.flag, 0, mesh.Answered, c.details)
			require.Zero(t, p.stats().Open)
		})
	}
}

func TestAConnectionThatCannotBeMade(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	p := testPool(t, Connections{}, nil, breaker.LimitsConfig{MaxConnections: 1}, nil)
	body := &countedBody{Reader: strings.NewReader("x")}
	_, err = p.RoundTrip(request(t, http.MethodPost, addr, body))
	requireError(t, err, mesh.ConnectFailure, 503, mesh.NotSent,
		"upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}")
	require.EqualValues(t, 1, body.closes.Load())
	require.Equal(t, breaker.LimitsStats{}, inUse(p))
	require.EqualValues(t, 1, p.stats().Failed)

	t.Run("because of a Dial function's own error", func(t *testing.T) {
		mine := errors.New("no road")
		p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, func(context.Context, string, string) (net.Conn, error) { return nil, mine })
		_, err := fetch(t, p, "a:80")
		requireError(t, err, mesh.ConnectFailure, 503, mesh.NotSent, "upstream_reset_before_response_started{remote_connection_failure}")
		require.ErrorIs(t, err, mine)
	})
	t.Run("because the certificate is for another name", func(t *testing.T) {
		k := kinds[3]
		s := k.serve(t, func(http.ResponseWriter, *http.Request) {})
		s.Config.ErrorLog = nil
		roots := s.roots()
		roots.ServerName = "other.example"
		p := testPool(t, k.conf, roots, breaker.LimitsConfig{}, nil)
		_, err := fetch(t, p, s.addr())
		require.Equal(t, mesh.ConnectFailure, mesh.FlagOf(err))
		require.Equal(t, mesh.NotSent, mesh.StageOf(err))
	})
}

func TestNothingIsSentTwice(t *testing.T) {
	// The first request makes the connection one that is used again; the second
	// dies on it after it was sent.
	var arrived atomic.Int64
	addr := rawServer(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		for i := range 2 {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			arrived.Add(1)
			if i == 0 {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	})
	p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, nil)
	_, err := fetch(t, p, addr)
	require.NoError(t, err)
	_, err = fetch(t, p, addr)
	requireError(t, err, mesh.ConnectionLost, 503, mesh.MaybeProcessed, "upstream_reset_before_response_started{connection_termination}")
	require.EqualValues(t, 2, arrived.Load())
	require.EqualValues(t, 1, p.stats().Opened)
}

func TestACertainlyUnsentRequestMovesToAnotherConnection(t *testing.T) {
	// The wire breaks at the first write after the connection was used once.
	k := kinds[0]
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	var dials atomic.Int64
	p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if dials.Add(1) == 1 {
			return &brokenAtSecondWrite{Conn: c}, err
		}
		return c, err
	})
	_, err := fetch(t, p, s.addr())
	require.NoError(t, err)
	res, err := p.RoundTrip(request(t, http.MethodPost, s.addr(), strings.NewReader("again")))
	require.NoError(t, err)
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "again", string(got))
	require.EqualValues(t, 1, p.stats().Resent)
	require.EqualValues(t, 2, p.stats().Opened)

	t.Run("but not one whose body is gone", func(t *testing.T) {
		dials.Store(0)
		p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, *p.dialer.dial.Load())
		_, err := fetch(t, p, s.addr())
		require.NoError(t, err)
		body := &countedBody{Reader: strings.NewReader("once")}
		_, err = p.RoundTrip(request(t, http.MethodPost, s.addr(), body))
		requireError(t, err, mesh.ConnectionLost, 503, mesh.NotSent, "upstream_reset_before_response_started{connection_termination}")
		require.EqualValues(t, 1, body.closes.Load())
	})
}

func TestAMalformedRequestIsTheCallersFault(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {})
			p := k.pool(t, s, breaker.LimitsConfig{})
			r := request(t, http.MethodPost, s.addr(), &countedBody{Reader: strings.NewReader("x")})
			body := r.Body.(*countedBody)
			r.Header["X"] = []string{"a\r\nb"}
			_, err := p.RoundTrip(r)
			requireError(t, err, mesh.DownstreamProtocol, 400, mesh.NotSent, "http1.codec_error")
			require.Equal(t, mesh.Local, mesh.OutcomeOf(r.Context(), nil, err).Kind)
			require.EqualValues(t, 1, body.closes.Load())
			require.Equal(t, 1, p.stats().Idle)
		})
	}
}

func TestACallersBodyThatFailsSaysNothingAboutTheEndpoint(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
			p := k.pool(t, s, breaker.LimitsConfig{})
			broken := errors.New("disk on fire")
			r := request(t, http.MethodPost, s.addr(), io.MultiReader(strings.NewReader("x"), failing{broken}))
			_, err := p.RoundTrip(r)
			require.ErrorIs(t, err, broken)
			require.Equal(t, mesh.Neutral, mesh.OutcomeOf(r.Context(), nil, err).Kind)
		})
	}
}

// rawServer serves each connection by f, and closes it then.
func rawServer(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wait.Wait() })
	return l.Addr().String()
}

func readHead(c net.Conn) { http.ReadRequest(bufio.NewReader(c)) }

func requireError(t testing.TB, err error, flag mesh.Flag, status int, stage mesh.Stage, details string) {
	t.Helper()
	var e *mesh.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, flag, e.Flag, "%v", err)
	if status != 0 {
		require.Equal(t, status, e.Status)
	}
	require.Equal(t, stage, e.Stage, "%v", err)
	require.Equal(t, details, e.Details)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type brokenAtSecondWrite struct {
	net.Conn
	writes atomic.Int64
}

func (c *brokenAtSecondWrite) Write(p []byte) (int, error) {
	if c.writes.Add(1) > 1 {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}
