package retry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/retry"
)

func TestNoWaitIsShorterThanTheLeast(t *testing.T) {
	policy := mustNew(t, retry.Config{Attempts: 9, Backoff: retry.Backoff{Base: 20 * time.Millisecond, Max: 40 * time.Millisecond, Min: 30 * time.Millisecond}})
	for _, draw := range []uint64{0, 1 << 62, 1 << 63, 1<<64 - 1} {
		for n := 1; n < 5; n++ {
			wait := policy.Decide(failedWith(n, errors.New("lost")), draw).Wait
			require.GreaterOrEqual(t, wait, 30*time.Millisecond)
			require.LessOrEqual(t, wait, 40*time.Millisecond)
		}
	}
	_, err := retry.New(retry.Config{Backoff: retry.Backoff{Min: -1}})
	require.ErrorContains(t, err, "Backoff.Min")
}
