package retry

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A quantile estimates quantiles of recent times, within an eighth of their
// value, without locks: it counts in buckets that widen with the time, and drops
// the older half of what it has seen now and then. Its zero value is empty.
type quantile struct {
	generations [2]generation
	turn        atomic.Uint32 // the generation that counts is that of turn's lowest bit
}

type generation struct {
	total   atomic.Uint32
	buckets [quantileBuckets]atomic.Uint32
}

const (
	// The first bucket takes what is below 2^quantileLow ns, about a microsecond,
	// the last what is above some two minutes; between them each power of two has
	// 2^quantileFine buckets.
	quantileLow     = 10
	quantileHigh    = 37
	quantileFine    = 3
	quantileBuckets = (quantileHigh-quantileLow)<<quantileFine + 2

	quantileEnough = 100  // times without which no quantile is given
	quantileTurn   = 1000 // times after which a generation is dropped
)

// bucketOf is the bucket for d.
func bucketOf(d time.Duration) int {
	if d < 1<<quantileLow {
		return 0
	}
	exponent := bits.Len64(uint64(d)) - 1
	if exponent >= quantileHigh {
		return quantileBuckets - 1
	}
	fine := int(uint64(d)>>(exponent-quantileFine)) & (1<<quantileFine - 1)
	return 1 + (exponent-quantileLow)<<quantileFine + fine
}

// upper is the least time above those of a bucket.
func upper(bucket int) time.Duration {
	if bucket == 0 {
		return 1 << quantileLow
	}
	exponent := quantileLow + (bucket-1)>>quantileFine
	fine := (bucket - 1) & (1<<quantileFine - 1)
	return time.Duration(1<<quantileFine+fine+1) << (exponent - quantileFine)
}

// observe counts a time.
func (q *quantile) observe(d time.Duration) {
	turn := q.turn.Load()
	g := &q.generations[turn&1]
	g.buckets[bucketOf(d)].Add(1)
	if g.total.Add(1) == quantileTurn && q.turn.CompareAndSwap(turn, turn+1) {
		q.generations[(turn+1)&1].reset()
	}
}

func (g *generation) reset() {
	g.total.Store(0)
	for i := range g.buckets {
		g.buckets[i].Store(0)
	}
}

// at is a time that at least the share p of the times seen does not exceed, and
// whether enough of them were seen to say so.
func (q *quantile) at(p float64) (time.Duration, bool) {
	var sums [quantileBuckets]uint64
	var total uint64
	for g := range q.generations {
		for i := range sums {
			n := uint64(q.generations[g].buckets[i].Load())
			sums[i] += n
			total += n
		}
	}
	if total < quantileEnough {
		return 0, false
	}
	below := uint64(0)
	for i, n := range sums {
		if below += n; float64(below) >= p*float64(total) {
			return upper(i), true
		}
	}
	return upper(quantileBuckets - 1), true
}
