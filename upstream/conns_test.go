package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
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
	require.Eventually(t, func() bool { return active.Load() == 6 }, time.Minute, time.Millisecond)
	require.EqualValues(t, 3, s.opened.Load())
	close(release)
	<-done
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

func TestAConnectionThatTheServerClosedWhileIdleIsNotUsed(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
			p := k.pool(t, s, breaker.LimitsConfig{MaxConnections: 1, MaxPending: -1})
			for range 20 {
				_, err := fetch(t, p, s.addr())
				require.NoError(t, err)
				s.CloseClientConnections()
				require.Eventually(t, func() bool { return p.limits.Stats().Connections == 0 }, time.Minute, 100*time.Microsecond)
			}
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
	require.Eventually(t, func() bool { return p.draining.Load() }, time.Minute, time.Millisecond)
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
	require.Eventually(t, func() bool { s := p.stats(); return s.Active == 1 && s.Waiting == 2 }, time.Minute, time.Millisecond)
	require.NoError(t, p.Close())
	wait.Wait()
	require.NoError(t, p.Close())
	require.Equal(t, breaker.LimitsStats{}, inUse(p))
}

func together(n int, f func(i int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { f(i) })
	}
	wait.Wait()
}

type countedBody struct {
	io.Reader
	closes atomic.Int64
}

func (b *countedBody) Close() error { b.closes.Add(1); return nil }
