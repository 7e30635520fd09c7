package fault

import "time"

// perSecond is into how many slices a second is cut. In each there may pass as much
// as the rate allows for it (Envoy's StreamRateLimiter).
const perSecond = 16

// A pacer is a bucket of bytes that is filled once a slice with what the rate
// allows, and holds no more than a second's. It begins with one slice.
type pacer struct {
	rate  int64     // bytes a second
	units int64     // in the bucket, a 16th of a byte each; negative for what is owed
	last  time.Time // when it was last filled; zero before the first byte
}

func newPacer(rate int64) pacer { return pacer{rate: rate, units: rate} }

// slice is how much is passed on at once.
func (p *pacer) slice() int64 { return max(1, p.rate/perSecond) }

// spend takes n bytes out of the bucket and returns how long they have to wait
// until the bucket has been filled with them.
func (p *pacer) spend(now time.Time, n int64) time.Duration {
	if p.last.IsZero() {
		p.last = now
	}
	const slice = time.Second / perSecond
	if filled := now.Sub(p.last) / slice; filled > 0 {
		p.last = p.last.Add(filled * slice)
		full := perSecond * p.rate
		p.units = min(p.units+min(int64(filled), 2*perSecond)*p.rate, full) // what is owed is less than a full bucket
	}
	p.units -= n * perSecond
	if p.units >= 0 {
		return 0
	}
	owed := (-p.units + p.rate - 1) / p.rate // slices until it is paid
	return p.last.Add(time.Duration(owed) * slice).Sub(now)
}
