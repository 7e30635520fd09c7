package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
)

func TestRequestsOneAfterTheOtherShareAConnection(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.Proto+" "+r.Host)
			})
			p := k.pool(t, s, breaker.LimitsConfig{})
			for range 50 {
				got, err := fetch(t, p, s.addr())
				require.NoError(t, err)
				if k.http2() {
					require.Equal(t, "HTTP/2.0 example.com", got)
				} else {
					require.Equal(t, "HTTP/1.1 example.com", got)
				}
			}
			require.EqualValues(t, 1, s.opened.Load())
			require.Equal(t, ConnectionStats{Open: 1, Idle: 1, Opened: 1}, p.stats())
		})
	}
}

func TestABurstOverHTTP2NeedsOneHandshake(t *testing.T) {
	for _, k := range kinds {
		if !k.http2() {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(10 * time.Millisecond) })
			p := k.pool(t, s, breaker.LimitsConfig{})
			together(60, func(int) {
				_, err := fetch(t, p, s.addr())
				require.NoError(t, err)
			})
			require.EqualValues(t, 1, s.opened.Load())
		})
	}
}

func TestSeveralHTTP2ConnectionsShareTheLoad(t *testing.T) {
	k := kinds[1]
	var mu sync.Mutex
	hits := make(map[string]int)
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hits[r.RemoteAddr]++
		mu.Unlock()
	})
	p := k.pool(t, s, breaker.LimitsConfig{}, func(c *Connections) { c.PerEndpoint = 3 })
	for range 300 {
		_, err := fetch(t, p, s.addr())
		require.NoError(t, err)
	}
	require.Len(t, hits, 3)
	for addr, n := range hits {
		require.GreaterOrEqual(t, n, 60, "%s of %v", addr, hits)
	}
}

func TestAnotherHTTP2ConnectionIsOpenedWhereStreamsRunOut(t *testing.T) {
	k := kinds[1]
	release := make(chan struct{})
	var active atomic.Int64
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { active.Add(1); <-release })
	p := k.pool(t, s, breaker.LimitsConfig{}, func(c *Connections) { c.MaxStreams = 2 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(6, func(int) {
			_, err := fetch(t, p, s.addr())
			require.NoError(t, err)
		})
	}()
	require.Eventually(t, func() bool { return active.Load() == 6 }, 5*time.Second, time.Millisecond)
	require.EqualValues(t, 3, s.opened.Load())
	close(release)
	<-done
}

func TestTheLimitOnConnectionsLetsRequestsWait(t *testing.T) {
	for _, k := range kinds {
		if k.http2() {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			var active, peak atomic.Int64
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n := active.Add(1); n > peak.Load() {
					peak.Store(n)
				}
				defer active.Add(-1)
				io.WriteString(w, "ok")
			})
			p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 1})
			together(8, func(int) {
				for range 50 {
					_, err := fetch(t, p, s.addr())
					require.NoError(t, err)
				}
			})
			require.EqualValues(t, 1, s.opened.Load())
			require.EqualValues(t, 1, peak.Load())
			require.Equal(t, breaker.LimitsStats{Connections: 1}, p.limits.Stats())
		})
	}
}

func TestMoreThanMaxPendingAreRefused(t *testing.T) {
	k := kinds[0]
	release := make(chan struct{})
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 1, MaxPending: 1})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			_, err := fetch(t, p, s.addr())
			require.NoError(t, err)
		})
		// One is being served or is having its connection made before the next comes.
		require.Eventually(t, func() bool { return p.stats().Active == 1 }, 5*time.Second, time.Millisecond)
	}
	require.Eventually(t, func() bool { return p.limits.Stats().Pending == 1 }, 5*time.Second, time.Millisecond)
	_, err := fetch(t, p, s.addr())
	requireError(t, err, mesh.Overflow, http.StatusServiceUnavailable, mesh.NotSent, "upstream_reset_before_response_started{overflow}")
	close(release)
	wait.Wait()
	require.EqualValues(t, 1, p.limits.Stats().Overflows)
}

func TestTheEndOfItsContextEndsTheWaitForAConnection(t *testing.T) {
	k := kinds[0]
	release := make(chan struct{})
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 1})
	var wait sync.WaitGroup
	wait.Go(func() {
		_, err := fetch(t, p, s.addr())
		require.NoError(t, err)
	})
	require.Eventually(t, func() bool { return p.stats().Active == 1 }, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	body := &countedBody{Reader: strings.NewReader("x")}
	r := request(t, http.MethodPost, s.addr(), body).WithContext(ctx)
	wait.Go(func() {
		require.Eventually(t, func() bool { return p.stats().Waiting == 1 }, 5*time.Second, time.Millisecond)
		cancel(cause)
	})
	_, err := p.RoundTrip(r)
	require.Equal(t, cause, err)
	require.EqualValues(t, 1, body.closes.Load())
	close(release)
	wait.Wait()
	require.Zero(t, p.limits.Stats().Pending)
}

func TestMaxRequestsRefusesWhatIsTooMuchAtATime(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			release := make(chan struct{})
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
			p := k.pool(t, s, breaker.LimitsConfig{MaxRequests: 3})
			var ok, refused atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				together(10, func(int) {
					if _, err := fetch(t, p, s.addr()); err == nil {
						ok.Add(1)
					} else {
						require.Equal(t, mesh.Overflow, mesh.FlagOf(err))
						refused.Add(1)
					}
				})
			}()
			require.Eventually(t, func() bool { return refused.Load() == 7 }, 5*time.Second, time.Millisecond)
			close(release)
			<-done
			require.EqualValues(t, 3, ok.Load())
			require.Zero(t, p.limits.Stats().Requests)
		})
	}
}

func TestAConnectionIsClosedAfterMaxRequests(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Connection") != "" {
					t.Error("the server saw a Connection header")
				}
				io.Copy(io.Discard, r.Body)
				io.WriteString(w, "ok")
			})
			p := k.pool(t, s, breaker.LimitsConfig{}, func(c *Connections) { c.MaxRequests = 2 })
			for i := range 6 {
				r := request(t, http.MethodPost, s.addr(), strings.NewReader("body"))
				res, err := p.RoundTrip(r)
				require.NoError(t, err)
				_, err = io.ReadAll(res.Body)
				require.NoError(t, err)
				require.EqualValues(t, i/2+1, s.opened.Load())
			}
			require.Zero(t, p.stats().Open)
			require.EqualValues(t, 3, p.stats().Opened)
		})
	}
}

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
	require.Equal(t, breaker.LimitsStats{}, p.limits.Stats())
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

func TestTheNameToVerifyIsTheHostOfTheRequestUnlessConfigured(t *testing.T) {
	k := kinds[3]
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName) })
	roots := s.roots()
	roots.ServerName = ""
	p := testPool(t, k.conf, roots, breaker.LimitsConfig{}, nil)
	got, err := fetch(t, p, s.addr())
	require.NoError(t, err)
	require.Equal(t, "example.com", got)

	r := request(t, http.MethodGet, s.addr(), nil)
	r.Host = "elsewhere.example:443"
	_, err = p.RoundTrip(r)
	require.Equal(t, mesh.ConnectFailure, mesh.FlagOf(err), "a connection made for another name was used")
}

func TestAnHTTPSRequestIsNeverSentInPlainText(t *testing.T) {
	k := kinds[0]
	var hits atomic.Int64
	s := k.serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, nil)
	r := request(t, http.MethodGet, s.addr(), nil)
	r.URL.Scheme = "https"
	_, err := p.RoundTrip(r)
	require.Equal(t, mesh.ConnectFailure, mesh.FlagOf(err))
	require.Zero(t, hits.Load())
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

func TestAConnectionThatTheServerClosedWhileIdleIsNotUsed(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
			p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 1, MaxPending: -1})
			for range 20 {
				_, err := fetch(t, p, s.addr())
				require.NoError(t, err)
				s.CloseClientConnections()
				require.Eventually(t, func() bool { return p.limits.Stats().Connections == 0 }, 5*time.Second, 100*time.Microsecond)
			}
		})
	}
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

func TestTrailersInformationalAnswersAndExpectContinuePassThrough(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</style.css>")
				b, _ := io.ReadAll(r.Body) // sends 100
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Set("Trailer", "Sum")
				w.Write(b)
				w.Header().Set("Sum", fmt.Sprint(len(b)))
			})
			p := k.pool(t, s, breaker.LimitsConfig{})
			var hints, continues atomic.Int64
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
					if code == http.StatusEarlyHints {
						hints.Add(1)
					}
					return nil
				},
				Got100Continue: func() { continues.Add(1) },
			})
			r := request(t, http.MethodPost, s.addr(), bytes.NewReader(make([]byte, 5000))).WithContext(ctx)
			r.Header.Set("Expect", "100-continue")
			res, err := p.RoundTrip(r)
			require.NoError(t, err)
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Len(t, b, 5000)
			require.Equal(t, "5000", res.Trailer.Get("Sum"))
			require.EqualValues(t, 1, hints.Load())
			require.EqualValues(t, 1, continues.Load())
		})
	}
}

func TestAnUpgradedConnectionBelongsToTheRequestUntilItsEnd(t *testing.T) {
	k := kinds[0]
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		require.NoError(t, err)
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, rw)
	})
	p := k.pool(t, s, breaker.LimitsConfig{})
	r := request(t, http.MethodGet, s.addr(), nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	res, err := p.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 1, p.stats().Active)
	duplex := res.Body.(io.ReadWriteCloser)
	io.WriteString(duplex, "hello")
	b := make([]byte, 5)
	_, err = io.ReadFull(duplex, b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.NoError(t, duplex.Close())
	require.Zero(t, p.stats().Open)

	t.Run("or until the upstream is closed", func(t *testing.T) {
		res, err := p.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, p.Close())
		_, err = res.Body.Read(b)
		require.Error(t, err)
		res.Body.Close()
	})
}

func TestARemovedEndpointFinishesWhatIsUnderWay(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			release := make(chan struct{})
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.NewResponseController(w).Flush()
				<-release
				io.WriteString(w, "done")
			})
			p := k.pool(t, s, breaker.LimitsConfig{})
			res, err := p.RoundTrip(request(t, http.MethodGet, s.addr(), nil))
			require.NoError(t, err)
			p.retain(func(string) bool { return false })
			require.Equal(t, 1, p.stats().Open)
			close(release)
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, "done", string(b))
			require.Zero(t, p.stats().Open)
			require.Empty(t, p.endpoints)
		})
	}
}

func TestShutdownWaitsForRequestsAndRefusesNewOnes(t *testing.T) {
	k := kinds[0]
	release := make(chan struct{})
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-release
	})
	p := k.pool(t, s, breaker.LimitsConfig{})
	res, err := p.RoundTrip(request(t, http.MethodGet, s.addr(), nil))
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- p.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool { return p.draining.Load() }, 5*time.Second, time.Millisecond)
	_, err = fetch(t, p, s.addr())
	require.ErrorIs(t, err, ErrClosed)
	close(release)
	_, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, <-done)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, p.Shutdown(ctx), "nothing is under way any more")
}

func TestCloseEndsRequestsUnderWayAndWaiting(t *testing.T) {
	k := kinds[0]
	release := make(chan struct{})
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 1})
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			_, err := fetch(t, p, s.addr())
			require.Error(t, err)
		})
	}
	require.Eventually(t, func() bool { s := p.stats(); return s.Active == 1 && s.Waiting == 2 }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Close())
	wait.Wait()
	require.NoError(t, p.Close())
	require.Equal(t, breaker.LimitsStats{}, p.limits.Stats())
}

func TestManyRequestsWithEverythingAtOnce(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(w, r.Body)
			})
			p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 5, MaxRequests: 60}, func(c *Connections) {
				c.MaxRequests, c.PerEndpoint, c.MaxStreams = 7, 2, 20
			})
			together(64, func(i int) {
				for n := range 20 {
					ctx, cancel := context.WithCancel(t.Context())
					if (i+n)%11 == 0 {
						time.AfterFunc(time.Duration(n)*50*time.Microsecond, cancel)
					}
					res, err := p.RoundTrip(request(t, http.MethodPut, s.addr(), strings.NewReader("body")).WithContext(ctx))
					if err == nil {
						if n%5 != 0 {
							io.Copy(io.Discard, res.Body)
						}
						res.Body.Close()
					}
					cancel()
				}
			})
			stats := p.limits.Stats()
			require.Zero(t, stats.Pending)
			require.Zero(t, stats.Requests)
			require.Eventually(t, func() bool { return p.stats().Opening == 0 }, 5*time.Second, time.Millisecond)
			require.Equal(t, p.stats().Open, p.limits.Stats().Connections)
		})
	}
}

func together(n int, f func(i int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { f(i) })
	}
	wait.Wait()
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

type countedBody struct {
	io.Reader
	closes atomic.Int64
}

func (b *countedBody) Close() error { b.closes.Add(1); return nil }

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
