// Package costtest compares what things cost on a machine that may be slow and
// busy: with each other, and never with a clock's seconds.
package costtest

import (
	"testing"
	"time"
)

// rounds are how often both are measured before the verdict is that one costs more.
// What else the machine does can only make a measurement longer, so the least of
// several counts.
const rounds = 10

// AtMost fails a test if what is done costs more than so many times the other.
func AtMost(t testing.TB, times int, done, other func()) {
	t.Helper()
	least, base := time.Duration(0), time.Duration(0)
	for round := range rounds {
		least, base = shorter(round, least, done), shorter(round, base, other)
		if least <= time.Duration(times)*base {
			return
		}
	}
	t.Errorf("it costs %v, which is more than %d times %v", least, times, base)
}

// shorter is the time that f takes, or the least before.
func shorter(round int, least time.Duration, f func()) time.Duration {
	begin := time.Now()
	f()
	took := time.Since(begin)
	if round > 0 && least < took {
		return least
	}
	return took
}
