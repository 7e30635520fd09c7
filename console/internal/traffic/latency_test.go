package traffic

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucketsFollowEachOther(t *testing.T) {
	require.Zero(t, bucketFrom(0))
	for i := range latencies {
		from, next := bucketFrom(i), bucketFrom(i+1)
		require.Less(t, from, next)
		require.Equal(t, i, bucketOf(from), "%v", from)
		require.Equal(t, i, bucketOf(next-1), "%v", next-1)
		if i >= 4 {
			require.LessOrEqual(t, float64(next-from), float64(from)/4)
		}
	}
	require.Equal(t, latencies-1, bucketOf(time.Hour))
	require.Zero(t, bucketOf(-time.Second))
}

// A percentile is compared with the one that sorting gives.
func TestPercentilesAreNearTheTrueOnes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var h histogram
		all := make([]time.Duration, 1+rnd.IntN(5000))
		for i := range all {
			all[i] = time.Duration((1 + rnd.ExpFloat64()) * float64(1+rnd.IntN(50)) * float64(time.Millisecond))
			h[bucketOf(all[i])]++
		}
		slices.Sort(all)
		for _, p := range []float64{1, 50, 90, 99, 100} {
			rank := max(int(p/100*float64(len(all))+0.999999), 1)
			want := all[min(rank, len(all))-1]
			require.InEpsilon(t, want, h.percentile(p), 0.26, "p%v of %d", p, len(all))
		}
	}
	var none histogram
	require.Zero(t, none.percentile(50))
}
