package costtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/costtest"
)

// A record is a test that notes whether it failed.
type record struct {
	testing.TB
	failed bool
}

func (r *record) Helper()               {}
func (r *record) Errorf(string, ...any) { r.failed = true }

func TestCostsAreComparedByTheLeastMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// lasts sleeps for each of the durations in turn, and for the last ever after.
		lasts := func(all ...time.Duration) func() {
			return func() {
				time.Sleep(all[0])
				all = all[min(1, len(all)-1):]
			}
		}
		for _, c := range []struct {
			name        string
			done, other func()
			failed      bool
		}{
			{"as much as may be", lasts(5 * time.Second), lasts(time.Second), false},
			{"a little more", lasts(5*time.Second + 1), lasts(time.Second), true},
			{"more by chance", lasts(time.Hour, time.Minute, time.Second), lasts(time.Second), false},
			{"less by chance of the other", lasts(6*time.Second, 4*time.Second), lasts(time.Second, time.Hour), false},
		} {
			r := &record{}
			costtest.AtMost(r, 5, c.done, c.other)
			require.Equal(t, c.failed, r.failed, c.name)
		}
	})
}
