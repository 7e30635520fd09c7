package fault

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In any window a pacer lets pass no more than the rate allows for it, a second's
// worth that has gathered before, and what is passed on at once.
func TestAPacerKeepsItsRateInTheLongRun(t *testing.T) {
	for _, rate := range []int64{1, 15, 16, 17, 100, 4096, 1 << 20, maxRate} {
		p := newPacer(rate)
		start := time.Now()
		now, sent := start, int64(0)
		for now.Sub(start) < 10*time.Second {
			n := p.slice()
			now = now.Add(p.spend(now, n))
			sent += n
		}
		want := float64(rate) * now.Sub(start).Seconds()
		require.InDelta(t, want, float64(sent), float64(rate)/perSecond+float64(p.slice())+1, "at %d bytes a second", rate)
	}
}

func TestWhatHasGatheredIsASecondsWorthAtMost(t *testing.T) {
	p := newPacer(1600)
	now := time.Now()
	require.Zero(t, p.spend(now, 100), "a slice to begin with")
	require.NotZero(t, p.spend(now, 100), "and no more")
	now = now.Add(time.Hour)
	for range 16 {
		require.Zero(t, p.spend(now, 100))
	}
	require.Equal(t, time.Second/16, p.spend(now, 100))
}
