package lb

import (
	"math"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// A Warmup gives a host that has just joined less than its share, and more as
// time passes, so that it can fill its caches. [RoundRobin], [LeastRequest] and
// [PeakEWMA] go by it. When all hosts are new it changes nothing, since only the
// relation of weights counts.
//
// It is Envoy's slow start: after the part a of the time the weight is multiplied
// by a^(1/Aggression), but at least by Min.
type Warmup struct {
	// For is how long a host warms up; zero is no warm-up.
	For time.Duration
	// Min is the least part of its weight that a host gets; zero is 10 %.
	Min mesh.Fraction
	// Aggression above 1 gives new hosts more at the beginning; zero is 1, the
	// straight line.
	Aggression float64
}

func (w Warmup) check(l *check.List) {
	l.NotNegative("Warmup.For", w.For)
	l.Share("Warmup.Min", w.Min)
	if w.Aggression < 0 || math.IsNaN(w.Aggression) || math.IsInf(w.Aggression, 0) {
		l.Add("Warmup.Aggression", w.Aggression, "must be a number above 0; zero is 1")
	}
}

// withDefaults is w with its zero fields filled in, or nil if there is no warm-up.
func (w Warmup) withDefaults() *Warmup {
	if w.For == 0 {
		return nil
	}
	if w.Min == 0 {
		w.Min = mesh.Percent(10)
	}
	if w.Aggression == 0 {
		w.Aggression = 1
	}
	return &w
}

// factor is what a weight is multiplied by at an age in nanoseconds.
func (w *Warmup) factor(age int64) float64 {
	if age >= int64(w.For) {
		return 1
	}
	passed := float64(max(age, int64(time.Millisecond))) / float64(w.For)
	if w.Aggression != 1 {
		passed = math.Pow(passed, 1/w.Aggression)
	}
	return min(max(passed, float64(w.Min)/float64(mesh.Always)), 1)
}
