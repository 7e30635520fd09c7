package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
)

func pipePool(t *testing.T, s *pipeServer, conf Connections, limits breaker.LimitsConfig) *pool {
	return testPool(t, conf, nil, limits, s.dial)
}

var protocols = []Connections{{}, {Protocol: HTTP2}}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	for _, conf := range protocols {
		t.Run(conf.Protocol.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipes(t, func(w http.ResponseWriter, r *http.Request) {})
				conf.Idle = time.Minute
				p := pipePool(t, s, conf, breaker.LimitsConfig{})
				_, err := fetch(t, p, "a:80")
				require.NoError(t, err)
				time.Sleep(50 * time.Second)
				_, err = fetch(t, p, "a:80")
				require.NoError(t, err)
				time.Sleep(59 * time.Second)
				synctest.Wait()
				require.Equal(t, 1, p.stats().Open)
				time.Sleep(time.Second)
				synctest.Wait()
				require.Equal(t, 0, p.stats().Open)
				require.EqualValues(t, 0, s.open.Load())
				require.Empty(t, p.endpoints, "an endpoint without connections is forgotten")
				require.EqualValues(t, 1, p.stats().Opened)
			})
		})
	}
}

func TestOnlyTheConnectionsThatAreIdleExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(10 * time.Second) })
		p := pipePool(t, s, Connections{Idle: time.Minute}, breaker.LimitsConfig{})
		together(5, func(int) { fetch(t, p, "a:80") })
		require.Equal(t, 5, p.stats().Idle)
		for range 10 {
			time.Sleep(30 * time.Second)
			fetch(t, p, "a:80") // always takes the one used last
		}
		require.Equal(t, 1, p.stats().Open)
		require.EqualValues(t, 5, s.dials.Load())
	})
}

func TestAnOldConnectionFinishesWhatItHasAndGetsNoMore(t *testing.T) {
	for _, conf := range protocols {
		t.Run(conf.Protocol.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipes(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Slow") != "" {
						time.Sleep(2 * time.Minute)
					}
					io.WriteString(w, "ok")
				})
				conf.MaxAge = time.Minute
				p := pipePool(t, s, conf, breaker.LimitsConfig{})
				done := make(chan error)
				go func() {
					r := request(t, http.MethodGet, "a:80", nil)
					r.Header.Set("Slow", "1")
					res, err := p.RoundTrip(r)
					if err == nil {
						_, err = io.ReadAll(res.Body)
					}
					done <- err
				}()
				time.Sleep(67 * time.Second) // a minute and a tenth more
				_, err := fetch(t, p, "a:80")
				require.NoError(t, err)
				require.EqualValues(t, 2, s.dials.Load())
				require.NoError(t, <-done)
				synctest.Wait()
				require.Equal(t, 0, p.stats().Active)
				require.LessOrEqual(t, p.stats().Open, 1)
				time.Sleep(time.Minute + 7*time.Second)
				synctest.Wait()
				require.Zero(t, p.stats().Open, "idle ones are closed when they are old")
			})
		})
	}
}

func TestLifetimesDifferByATenth(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		d := lifetime(time.Minute)
		least, most = min(least, d), max(most, d)
	}
	require.GreaterOrEqual(t, least, 54*time.Second)
	require.Less(t, least, 55*time.Second)
	require.LessOrEqual(t, most, 66*time.Second)
	require.Greater(t, most, 65*time.Second)
	require.EqualValues(t, 3, lifetime(3))
}

func TestAConnectionThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, nil)
		s.hangs.Store(true)
		p := pipePool(t, s, Connections{Connect: 3 * time.Second}, breaker.LimitsConfig{})
		began := time.Now()
		_, err := fetch(t, p, "a:80")
		requireError(t, err, mesh.ConnectFailure, 503, mesh.NotSent, "upstream_reset_before_response_started{connection_timeout}")
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestACallerWhoLeavesDoesNotWasteTheConnection(t *testing.T) {
	// Whoever always leaves before a connection is made would never get one if its
	// making ended with the request.
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, func(http.ResponseWriter, *http.Request) {})
		slow := func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			time.Sleep(time.Second)
			return s.dial(ctx, network, addr)
		}
		p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, slow)
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
			_, err := p.RoundTrip(request(t, http.MethodGet, "a:80", nil).WithContext(ctx))
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			cancel()
		}
		require.EqualValues(t, 1, s.dials.Load())
		require.EqualValues(t, 1, p.stats().Opened)
	})
}
