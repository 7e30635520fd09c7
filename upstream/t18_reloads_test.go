package upstream_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

func TestT18TenThousandReloadsLeaveNothing(t *testing.T) {
	c := upstream.Config{
		Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"), Transport: meshtest.NewUpstream(),
		Breaker: breaker.Config{Trip: breaker.Trip{Consecutive: 5}},
	}
	u := open(t, c)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	reload := func(times int) {
		for i := range times {
			c.Retry = retry.Config{Attempts: 1 + i%3}
			c.Endpoints = c.Endpoints[:2+i%2]
			if err := u.Update(c); err != nil {
				t.Fatal(err)
			}
			c.Endpoints = c.Endpoints[:3]
		}
	}
	reload(100)
	goroutines, before := runtime.NumGoroutine(), heap()
	reload(10_000)
	require.Less(t, heap()-before, int64(1<<20))
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
}
