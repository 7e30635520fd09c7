package breaker

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/meshtest"
)

// Requests under way end whatever becomes of the circuit that let them through.
func TestACircuitCanBeTurnedOffUnderRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := Config{Trip: Trip{Consecutive: 1, Open: time.Second}}
		b := mustNew(t, on)
		under, err := b.Acquire(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.Update(Config{}))
		under.Done(bad)

		require.NoError(t, b.Update(on))
		first, err := b.Acquire(t.Context())
		require.NoError(t, err)
		first.Done(bad)
		time.Sleep(time.Second + 1)
		probe, err := b.Acquire(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.Update(Config{}))
		probe.Done(good)
		_, err = b.Acquire(t.Context())
		require.NoError(t, err)
	})
}

func TestCircuitsOfKeysCanBeTurnedOffUnderRequests(t *testing.T) {
	byPath := func(r *http.Request) (string, bool) { return r.URL.Path, true }
	on := Config{Key: byPath, Trip: Trip{Consecutive: 1}}
	b := mustNew(t, on)
	client := b.Transport(meshtest.NewUpstream())
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for i := range 2000 {
				r, _ := http.NewRequest(http.MethodGet, "http://reviews/"+strconv.Itoa(i), nil)
				res, err := client.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			}
		})
	}
	for range 500 {
		require.NoError(t, b.Update(Config{}))
		require.NoError(t, b.Update(on))
	}
	callers.Wait()
}
