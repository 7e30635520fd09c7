package retry

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The estimate is never below the quantile of what was seen, and at most an
// eighth above it.
func TestAQuantileIsAnEighthExact(t *testing.T) {
	draws := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		var q quantile
		var seen []time.Duration
		scale := time.Duration(1) << (12 + draws.IntN(22))
		for range 200 + draws.IntN(700) {
			d := scale + time.Duration(draws.Int64N(int64(scale)*int64(1+draws.IntN(4))))
			seen = append(seen, d)
			q.observe(d)
		}
		slices.Sort(seen)
		for _, p := range []float64{0.5, 0.9, 0.95, 0.99} {
			exact := seen[min(len(seen)-1, int(p*float64(len(seen))))]
			got, ok := q.at(p)
			require.True(t, ok)
			// The rank may fall between two times, so one rank of slack below.
			least := seen[max(0, int(p*float64(len(seen)))-1)]
			require.GreaterOrEqual(t, got, least)
			require.LessOrEqual(t, float64(got), 1.125*float64(exact)+1)
		}
	}
}

func TestAQuantileForgets(t *testing.T) {
	var q quantile
	for range quantileEnough - 1 {
		q.observe(time.Second)
	}
	_, ok := q.at(0.95)
	require.False(t, ok, "not enough was seen")
	q.observe(time.Second)
	_, ok = q.at(0.95)
	require.True(t, ok)
	for range 2 * quantileTurn {
		q.observe(time.Millisecond)
	}
	got, _ := q.at(0.95)
	require.Less(t, got, 2*time.Millisecond)
}

func TestEveryTimeHasABucketBelowItsUpperEnd(t *testing.T) {
	for d := time.Duration(1); d > 0 && d < 200*time.Second; d += d/16 + 1 {
		b := bucketOf(d)
		require.Less(t, b, quantileBuckets)
		if b < quantileBuckets-1 {
			require.Less(t, d, upper(b))
		}
		if b > 0 {
			require.GreaterOrEqual(t, d, upper(b-1))
		}
	}
}

func TestAQuantileMayBeSharedByGoroutines(t *testing.T) {
	var q quantile
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 * quantileTurn {
				q.observe(time.Millisecond)
				q.at(0.5)
			}
		})
	}
	all.Wait()
	got, ok := q.at(0.5)
	require.True(t, ok)
	require.Less(t, got, 2*time.Millisecond)
}

func TestAWindowForgetsWhatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10 * time.Second)
		for range 25 { // three in each second
			now := time.Now()
			w.at(now).requests.Add(3)
			w.at(now).retries.Add(1)
			time.Sleep(time.Second)
		}
		requests, retries := w.sums(time.Now().Add(-time.Nanosecond))
		require.EqualValues(t, 30, requests)
		require.EqualValues(t, 10, retries)
		time.Sleep(4 * time.Second)
		requests, _ = w.sums(time.Now())
		require.EqualValues(t, 15, requests)
		time.Sleep(time.Hour)
		requests, retries = w.sums(time.Now())
		require.Zero(t, requests)
		require.Zero(t, retries)
	})
}
