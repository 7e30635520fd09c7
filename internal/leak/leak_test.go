package leak

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func lingering(stop chan struct{}) { <-stop }

func TestAGoroutineThatIsLeftIsToldWithItsStack(t *testing.T) {
	require.Empty(t, wait(5*time.Second))
	stop := make(chan struct{})
	go lingering(stop)
	require.Contains(t, wait(10*time.Millisecond), "leak.lingering")
	close(stop)
	require.Empty(t, wait(5*time.Second), "one that is about to end has the time to do so")
}
