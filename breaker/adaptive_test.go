package breaker

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A station serves at most so many requests at a time, each in 10 ms, and lets
// the others queue: by Little's law the latency of n requests is n/servers times
// 10 ms.
type station struct{ servers float64 }

func (s station) latency(active int64) time.Duration {
	return time.Duration(math.Max(1, float64(active)/s.servers) * float64(10*time.Millisecond))
}

func TestTheAdaptiveBoundFindsWhatCanBeTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGradient(Adaptive{Max: 1000, Initial: 10})
		load := func(s station, samples int) {
			for range samples * 20 {
				active := g.bound.Load() // as many as are let through
				time.Sleep(10 * time.Millisecond)
				g.observe(time.Now(), s.latency(active), active)
			}
		}
		load(station{100}, 200)
		wide := g.bound.Load()
		require.Greater(t, wide, int64(100), "it must use what there is")
		require.Less(t, wide, int64(400), "it must stop where requests queue")
		load(station{20}, 60)
		narrow := g.bound.Load()
		require.Less(t, narrow, wide/2, "it must fall when less can be taken")
		require.GreaterOrEqual(t, narrow, int64(3))
	})
}

func TestTheAdaptiveBoundStaysWhereItIsNotReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGradient(Adaptive{Max: 1000, Initial: 50})
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			g.observe(time.Now(), 10*time.Millisecond, 2)
		}
		require.EqualValues(t, 50, g.bound.Load())
	})
}

func TestMoreThanTheAdaptiveBoundIsRefused(t *testing.T) {
	b := mustNew(t, Config{Adaptive: Adaptive{Max: 2}})
	var permits []Permit
	for range 2 {
		p, err := b.Acquire(t.Context())
		require.NoError(t, err)
		permits = append(permits, p)
	}
	require.False(t, try(b, good))
	for _, p := range permits {
		p.Done(good)
	}
	require.True(t, try(b, good))
	require.Equal(t, 2, b.Stats().Bound)
}
