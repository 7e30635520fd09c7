package traffic

import (
	"math/bits"
	"time"
)

// Latencies are counted in buckets whose bounds grow by a quarter of a power of
// two, so that a percentile is at most a quarter off. The first four are 16 µs
// wide, and what takes more than about a minute is in the last.
const (
	latencyUnit = 16 * time.Microsecond
	latencyBits = 22
	latencies   = latencyBits * 4
)

// bucketOf is the bucket of a duration.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0) / latencyUnit)
	if v < 4 {
		return int(v)
	}
	power := bits.Len64(v) - 1
	return min((power-1)*4+int(v>>(power-2)&3), latencies-1)
}

// bucketFrom is the least duration of a bucket.
func bucketFrom(i int) time.Duration {
	if i < 4 {
		return time.Duration(i) * latencyUnit
	}
	return time.Duration(4+i%4) << (i/4 - 1) * latencyUnit
}

// A histogram counts durations.
type histogram [latencies]uint32

// percentile is the duration that p of 100 do not exceed, as well as the buckets
// tell it: within one, durations are taken to be spread evenly. Without any it is
// zero.
func (h *histogram) percentile(p float64) time.Duration {
	total := uint64(0)
	for i := range h { // which copies nothing
		total += uint64(h[i])
	}
	rank := p / 100 * float64(total)
	before := 0.0
	for i := range h {
		n := h[i]
		if n > 0 && before+float64(n) >= rank {
			from, to := bucketFrom(i), bucketFrom(i+1)
			return from + time.Duration((rank-before)/float64(n)*float64(to-from))
		}
		before += float64(n)
	}
	return 0
}
