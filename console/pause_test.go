package console

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever a look costs, watching costs less than five milliseconds a second, as
// long as a look takes less than 40.
func TestStreamsSpendLittle(t *testing.T) {
	require.Equal(t, time.Second, pause(0))
	for took := time.Microsecond; took < 40*time.Millisecond; took += 10 * time.Microsecond {
		wait := pause(took)
		require.GreaterOrEqual(t, wait, time.Second)
		require.Less(t, took.Seconds()/(took+wait).Seconds(), 0.005)
	}
	require.Equal(t, 10*time.Second, pause(time.Second))
}
