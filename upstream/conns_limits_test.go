package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
)

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
			require.Equal(t, breaker.LimitsStats{Connections: 1}, inUse(p))
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
		require.Eventually(t, func() bool { return p.stats().Active == 1 }, time.Minute, time.Millisecond)
	}
	require.Eventually(t, func() bool { return p.limits.Stats().Pending == 1 }, time.Minute, time.Millisecond)
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
	require.Eventually(t, func() bool { return p.stats().Active == 1 }, time.Minute, time.Millisecond)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	body := &countedBody{Reader: strings.NewReader("x")}
	r := request(t, http.MethodPost, s.addr(), body).WithContext(ctx)
	wait.Go(func() {
		require.Eventually(t, func() bool { return p.stats().Waiting == 1 }, time.Minute, time.Millisecond)
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
			require.Eventually(t, func() bool { return refused.Load() == 7 }, time.Minute, time.Millisecond)
			close(release)
			<-done
			require.EqualValues(t, 3, ok.Load())
			require.Zero(t, p.limits.Stats().Requests)
		})
	}
}

func TestARefusedRequestLeavesTheConnectionToOthers(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			release := make(chan struct{})
			s := k.serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
			p := k.pool(t, s, breaker.LimitsConfig{MaxRequests: 2})
			answered := func() *sync.WaitGroup {
				var wait sync.WaitGroup
				for range 2 {
					wait.Go(func() {
						_, err := fetch(t, p, s.addr())
						require.NoError(t, err)
					})
				}
				return &wait
			}
			wait := answered()
			require.Eventually(t, func() bool { return p.stats().Active == 2 }, time.Minute, time.Millisecond)
			close(release)
			wait.Wait()
			opened := p.stats().Opened
			require.NoError(t, p.limits.Update(breaker.LimitsConfig{MaxRequests: 1}))
			release = make(chan struct{})
			wait.Go(func() { fetch(t, p, s.addr()) })
			require.Eventually(t, func() bool { return p.stats().Active == 1 }, time.Minute, time.Millisecond)
			for range 10 {
				_, err := fetch(t, p, s.addr())
				require.Equal(t, mesh.Overflow, mesh.FlagOf(err))
			}
			close(release)
			wait.Wait()
			require.NoError(t, p.limits.Update(breaker.LimitsConfig{}))
			answered().Wait()
			require.Equal(t, opened, p.stats().Opened)
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
			require.Eventually(t, func() bool { return p.stats().Opening == 0 }, time.Minute, time.Millisecond)
			require.Equal(t, p.stats().Open, p.limits.Stats().Connections)
		})
	}
}

// inUse is what the limits of a pool count, but for who had to wait.
func inUse(p *pool) breaker.LimitsStats {
	s := p.limits.Stats()
	s.Waits = 0
	return s
}
