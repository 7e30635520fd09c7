package outlier

import (
	"fmt"
	"math"
	"time"

	"github.com/sidecarless/mesh"
)

// mostTicks is how many intervals are caught up with one by one after a time in
// which nothing happened: by then every host has returned and every multiplier
// has decayed.
const mostTicks = 1000

// ticks ends every interval that is over. The mutex is held.
func (d *Detector) ticks(now time.Time) {
	interval := d.now.Load().Interval
	if behind := int(now.Sub(d.lastTick) / interval); behind > mostTicks {
		d.lastTick = d.lastTick.Add(time.Duration(behind-mostTicks) * interval)
	}
	for now.Sub(d.lastTick) >= interval {
		d.lastTick = d.lastTick.Add(interval)
		d.tick(d.lastTick)
	}
	d.due.Store(d.lastTick.Add(interval).UnixNano())
}

// tick ends one interval: hosts return or get their times decayed, then rates are
// judged.
func (d *Detector) tick(at time.Time) {
	c := d.now.Load()
	for _, w := range d.hosts {
		switch {
		case w.ejected:
			if at.Sub(w.since) >= w.lasts {
				d.restore(w, at)
			}
		case w.multiplier > 0 && at.Sub(w.returned) >= c.Interval:
			w.multiplier--
		}
	}
	if c.rates() {
		d.judgeRates(c, at)
	}
}

// A rate is a host's share of successes in an interval, in per cent.
type rate struct {
	w        *watched
	requests int64
	percent  float64
}

// judgeRates compares the hosts over the interval that ends, and begins the next.
func (d *Detector) judgeRates(c *Config, at time.Time) {
	var all []rate
	for _, w := range d.hosts {
		n, ok := w.requests.Swap(0), w.successes.Swap(0)
		if !w.ejected && n > 0 {
			all = append(all, rate{w, n, 100 * float64(ok) / float64(n)})
		}
	}
	if s := c.SuccessRate; s.Deviations > 0 {
		took := atLeast(all, s.MinRequests)
		if len(took) > 0 && len(took) >= s.MinHosts {
			least := lowest(took, s.Deviations)
			for _, r := range took {
				if r.percent < least {
					d.eject(r.w, at, LowSuccessRate, fmt.Sprintf("%.1f %% of %d, less than %.1f %%", r.percent, r.requests, least))
				}
			}
		}
	}
	if s := c.FailureShare; s.Share > 0 {
		took := atLeast(all, s.MinRequests)
		if len(took) > 0 && len(took) >= s.MinHosts {
			for _, r := range took {
				if failed := 100 - r.percent; failed >= 100*float64(s.Share)/float64(mesh.Always) {
					d.eject(r.w, at, HighFailureShare, fmt.Sprintf("%.1f %% of %d failed", failed, r.requests))
				}
			}
		}
	}
}

func atLeast(all []rate, requests int) []rate {
	var some []rate
	for _, r := range all {
		if r.requests >= int64(requests) {
			some = append(some, r)
		}
	}
	return some
}

// lowest is the mean of the rates less so many of their (population) standard
// deviations.
func lowest(all []rate, deviations float64) float64 {
	var sum, squares float64
	for _, r := range all {
		sum += r.percent
	}
	mean := sum / float64(len(all))
	for _, r := range all {
		squares += (r.percent - mean) * (r.percent - mean)
	}
	return mean - deviations*math.Sqrt(squares/float64(len(all)))
}
