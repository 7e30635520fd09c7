package breaker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// Adaptive bounds the requests under way by their latency: as long as that stays
// what it usually is, the bound grows by the square root of itself at a time, and
// when requests begin to queue up somewhere and latency grows, it falls in the
// same proportion. It is the gradient of Envoy's adaptive concurrency filter and
// of Netflix's concurrency-limits. Its zero value is off.
type Adaptive struct {
	// Max is the highest bound; zero switches the whole off.
	Max int
	// Min is the lowest; zero is 3.
	Min int
	// Initial is where it begins; zero is 20, or what Min and Max leave of that.
	Initial int
	// Sample is over how long latency is measured before the bound changes; zero is
	// 100 ms. At least 10 requests have to end in it.
	Sample time.Duration
	// Tolerance is how many times the usual latency is still taken for normal; zero
	// is 1.5.
	Tolerance float64
}

const (
	adaptiveSamples = 10   // that a measurement needs
	usualOver       = 600  // measurements of which the usual latency is the average
	fastestFall     = 0.5  // of the bound, at a time
	smoothing       = 0.2  // of a new bound in the old one
	usualDecay      = 0.95 // when latency has become much better than usual
)

func (a *Adaptive) check(l *check.List) {
	switch {
	case a.Max < 0:
		l.Add("Adaptive.Max", a.Max, "must not be negative")
	case a.Max == 0:
		if *a != (Adaptive{}) {
			l.Add("Adaptive.Max", a.Max, "must be set, or nothing of Adaptive")
		}
		return
	}
	if a.Min < 0 || a.Min > a.Max {
		l.Add("Adaptive.Min", a.Min, "must be from 0 to Max, which is %d", a.Max)
	}
	if a.Initial < 0 || a.Initial > a.Max {
		l.Add("Adaptive.Initial", a.Initial, "must be from 0 to Max, which is %d", a.Max)
	}
	l.NotNegative("Adaptive.Sample", a.Sample)
	if a.Tolerance != 0 && !(a.Tolerance >= 1) {
		l.Add("Adaptive.Tolerance", a.Tolerance, "must be at least 1")
	}
}

func (a Adaptive) withDefaults() Adaptive {
	if a.Min == 0 {
		a.Min = min(3, a.Max)
	}
	if a.Initial == 0 {
		a.Initial = min(max(20, a.Min), a.Max)
	}
	if a.Sample == 0 {
		a.Sample = 100 * time.Millisecond
	}
	if a.Tolerance == 0 {
		a.Tolerance = 1.5
	}
	return a
}

// A gradient holds the bound.
type gradient struct {
	conf   Adaptive
	bound  atomic.Int64
	active atomic.Int64

	mu     sync.Mutex // guards all below
	exact  float64    // the bound before it is cut off
	usual  float64    // latency in seconds
	begun  time.Time  // of the present sample
	n      int
	sum    float64
	peak   int64 // requests under way
	passed int   // samples, up to usualOver
}

func newGradient(conf Adaptive) *gradient {
	g := &gradient{conf: conf.withDefaults()}
	g.exact = float64(g.conf.Initial)
	g.bound.Store(int64(g.conf.Initial))
	return g
}

func (g *gradient) take() bool { return take(&g.active, g.bound.Load()) }

func (g *gradient) give() { g.active.Add(-1) }

// observe takes in the latency of a request that ended at now with so many under
// way.
func (g *gradient) observe(now time.Time, latency time.Duration, active int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n == 0 {
		g.begun = now
	}
	g.n++
	g.sum += latency.Seconds()
	g.peak = max(g.peak, active)
	if g.n < adaptiveSamples || now.Sub(g.begun) < g.conf.Sample {
		return
	}
	recent, peak := g.sum/float64(g.n), g.peak
	g.n, g.sum, g.peak = 0, 0, 0
	g.usual = g.average(recent)
	// A bound that is not reached says nothing about whether more can be taken.
	if recent <= 0 || float64(peak) < g.exact/2 {
		return
	}
	slope := math.Max(fastestFall, math.Min(1, g.conf.Tolerance*g.usual/recent))
	next := g.exact*slope + math.Sqrt(g.exact)
	next = g.exact*(1-smoothing) + next*smoothing
	g.exact = math.Max(float64(g.conf.Min), math.Min(float64(g.conf.Max), next))
	g.bound.Store(int64(g.exact))
}

// average moves the usual latency on.
func (g *gradient) average(recent float64) float64 {
	if g.passed < usualOver {
		g.passed++
	}
	usual := g.usual + (recent-g.usual)/float64(g.passed)
	if usual > 2*recent { // a bad time is over
		usual *= usualDecay
	}
	return usual
}
