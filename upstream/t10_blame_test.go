package upstream_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// A thousand callers who leave change nothing: not the circuit, not who is in use,
// not how fast an endpoint is taken to be.
func TestT10ThousandCancelledCallsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meshtest.NewMesh(1, map[string]meshtest.Server{"10.0.0.1:80": {Latency: 20 * time.Millisecond}})
		u := open(t, upstream.Config{
			Endpoints: lb.Addrs("10.0.0.1:80"), Transport: m, Balance: lb.Config{Algorithm: lb.PeakEWMA{}},
			Breaker:  breaker.Config{Trip: breaker.Trip{Consecutive: 3}},
			Ejection: outlier.Config{Consecutive5xx: 3, MaxEjected: mesh.Always},
		})
		defer u.Close()
		_, _, err := get(u)
		require.NoError(t, err)
		before := u.Balancer().Stats().Hosts[0].Latency
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews/", nil)
			require.NoError(t, err)
			_, err = u.RoundTrip(r)
			require.Error(t, err)
			cancel()
		}
		require.Equal(t, breaker.Closed, u.Stats().Breaker.State)
		require.Zero(t, u.Stats().Ejections.Detected)
		require.InDelta(t, before, u.Balancer().Stats().Hosts[0].Latency, float64(10*time.Microsecond), "but for its decay")
	})
}

// What an open circuit refuses does not keep it open.
func TestT10TheFirstProbeAfterTenThousandRefusalsGoesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meshtest.NewMesh(1, map[string]meshtest.Server{"10.0.0.1:80": {
			Faults: []meshtest.Fault{{For: time.Second, Reply: meshtest.Reply{Status: 500}}},
		}})
		u := open(t, upstream.Config{
			Endpoints: lb.Addrs("10.0.0.1:80"), Transport: m, NoEjection: true,
			Breaker: breaker.Config{Trip: breaker.Trip{Consecutive: 3, Open: 30 * time.Second}},
		})
		defer u.Close()
		for range 3 {
			get(u)
		}
		opened := time.Now()
		for range 10_000 {
			time.Sleep(2 * time.Millisecond)
			_, _, err := get(u)
			require.ErrorIs(t, err, breaker.ErrOpen)
		}
		time.Sleep(time.Until(opened.Add(30*time.Second + time.Millisecond)))
		status, _, err := get(u)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, breaker.Closed, u.Stats().Breaker.State)
		require.Len(t, m.Visits(), 4)
	})
}
