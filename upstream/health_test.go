package upstream

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
)

// run checks the health of u's endpoints in the background of a bubble.
func run(t *testing.T, u *Upstream) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); u.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; u.Close() })
}

func TestChecksTakeHostsOutAndBringThemBack(t *testing.T) {
	for _, path := range []string{"", "/healthz"} {
		t.Run("path "+path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sick atomic.Bool
				s := servePipes(t, func(w http.ResponseWriter, r *http.Request) {
					require.Equal(t, "/healthz", r.URL.Path)
					require.Equal(t, "check.example", r.Host)
					if sick.Load() {
						w.WriteHeader(500)
					}
				})
				c := Config{
					Name: "svc", Endpoints: lb.Addrs("a:80"), Dial: s.dial, Balance: lb.Config{NoPanic: true},
					Health: Health{Interval: time.Second, Path: path, Unhealthy: 3, Healthy: 2},
				}
				if path != "" {
					c.Health.Host = "check.example"
				}
				u, err := New(c)
				require.NoError(t, err)
				run(t, u)
				host := u.Balancer().Host("a:80")
				time.Sleep(10*time.Second + time.Millisecond)
				require.True(t, host.Healthy())

				sick.Store(true)
				s.down.Store(path == "")
				time.Sleep(2 * time.Second)
				require.True(t, host.Healthy(), "two failures are not enough")
				time.Sleep(time.Second)
				require.False(t, host.Healthy())
				_, err = u.Balancer().Pick(lb.Query{})
				require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))

				sick.Store(false)
				s.down.Store(false)
				time.Sleep(time.Second)
				require.False(t, host.Healthy(), "one success is not enough")
				time.Sleep(time.Second)
				require.True(t, host.Healthy())
			})
		})
	}
}

func TestACheckThatTakesTooLongHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, nil)
		s.hangs.Store(true)
		u, err := New(Config{Name: "svc", Endpoints: lb.Addrs("a:80"), Dial: s.dial, Health: Health{Interval: 5 * time.Second, Unhealthy: 1}})
		require.NoError(t, err)
		run(t, u)
		time.Sleep(999 * time.Millisecond)
		require.True(t, u.Balancer().Host("a:80").Healthy())
		time.Sleep(2 * time.Millisecond)
		require.False(t, u.Balancer().Host("a:80").Healthy())
	})
}

func TestANewHostIsCheckedAtOnceAndOldOnesAreNotCheckedMoreOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, nil)
		u, err := New(Config{Name: "svc", Endpoints: lb.Addrs("a:80"), Dial: s.dial, Health: Health{Interval: time.Minute}})
		require.NoError(t, err)
		run(t, u)
		time.Sleep(time.Second)
		require.EqualValues(t, 1, s.dials.Load())
		require.NoError(t, u.SetEndpoints(lb.Addrs("a:80", "b:80")))
		time.Sleep(time.Second)
		require.EqualValues(t, 2, s.dials.Load())
		time.Sleep(time.Minute)
		require.EqualValues(t, 4, s.dials.Load())
	})
}

func TestAnUpdateCanBeginAndEndChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, nil)
		c := Config{Name: "svc", Endpoints: lb.Addrs("a:80"), Dial: s.dial}
		u, err := New(c)
		require.NoError(t, err)
		run(t, u)
		time.Sleep(time.Minute)
		require.Zero(t, s.dials.Load())
		c.Health.Interval = time.Second
		require.NoError(t, u.Update(c))
		time.Sleep(5500 * time.Millisecond)
		require.EqualValues(t, 6, s.dials.Load())
		c.Health.Interval = 0
		require.NoError(t, u.Update(c))
		time.Sleep(time.Minute)
		require.EqualValues(t, 6, s.dials.Load())
	})
}

func TestAHostThatChecksFindWellAgainIsNoLongerEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, nil)
		s.down.Store(true)
		u, err := New(Config{
			Name: "svc", Endpoints: lb.Addrs("a:80"), Dial: s.dial, NoRetry: true, Balance: lb.Config{NoPanic: true},
			Ejection: outlier.Config{Consecutive5xx: 1, BaseEjection: 5 * time.Minute, MaxEjected: mesh.Always},
			Health:   Health{Interval: time.Second, Unhealthy: 2},
		})
		require.NoError(t, err)
		fetch(t, u, "svc")
		host := u.Balancer().Host("a:80")
		require.True(t, host.Ejected())
		run(t, u)
		time.Sleep(3 * time.Second)
		require.False(t, host.Healthy())
		s.down.Store(false)
		time.Sleep(3 * time.Second)
		require.True(t, host.Healthy())
		require.False(t, host.Ejected())
	})
}
