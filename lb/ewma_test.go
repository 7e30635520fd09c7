package lb

import (
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

func TestTheAverageFollowsPeaksAtOnceAndFallsByAndBy(t *testing.T) {
	const decay = float64(10 * time.Second)
	var e estimate
	now := int64(time.Hour)
	at := func() float64 {
		v, known := e.at(now, decay)
		require.True(t, known)
		return v
	}
	_, known := e.at(now, decay)
	require.False(t, known)

	e.observe(100, now, decay, 0)
	require.Equal(t, 100., at())
	e.observe(500, now, decay, 0)
	require.Equal(t, 500., at(), "a peak counts at once")
	e.observe(100, now, decay, 0)
	require.Equal(t, 500., at(), "a better value counts for the time that has passed")
	now += int64(10 * time.Second)
	require.InDelta(t, 500/math.E, at(), 1e-6, "it falls while nothing is observed")
	e.observe(100, now, decay, 0)
	require.InDelta(t, 500/math.E+100*(1-1/math.E), at(), 1e-6)

	before := at()
	e.observe(1, now, decay, 300)
	require.Equal(t, before, at(), "a failure does not lower it")
	var fresh estimate
	fresh.observe(1, now, decay, 300)
	v, _ := fresh.at(now, decay)
	require.Equal(t, 300., v, "nor does a first one look fast")
}

// Ten hosts, of which one takes ten times as long as the others, and clients
// that do not wait for each other. The slow one must get less than a quarter of
// its equal share.
func TestASlowHostGetsLittle(t *testing.T) {
	for _, algorithm := range []Algorithm{LeastRequest{}, LeastRequest{Choices: 4}, PeakEWMA{}} {
		synctest.Test(t, func(t *testing.T) {
			const hosts, requests = 10, 20_000
			b := balanced(t, Config{Endpoints: manyEndpoints(hosts), Algorithm: algorithm})
			transport := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "10.0.0.3:8080" {
					time.Sleep(100 * time.Millisecond)
				} else {
					time.Sleep(10 * time.Millisecond)
				}
				return answer(r, 200), nil
			}))
			var all sync.WaitGroup
			for range requests {
				time.Sleep(100 * time.Microsecond) // about a hundred at a time
				all.Go(func() {
					r, _ := http.NewRequest("GET", "http://reviews/", nil)
					res, err := transport.RoundTrip(r)
					if err == nil {
						res.Body.Close()
					}
				})
			}
			all.Wait()
			slow := b.Host("10.0.0.3:8080").Requests()
			require.Less(t, slow, uint64(requests/hosts/4), "%+v", algorithm)
			t.Logf("%T: %.1f %% of its share", algorithm, 100*float64(slow)/(requests/hosts))
		})
	}
}

func TestFailuresDoNotAttract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balanced(t, Config{Endpoints: manyEndpoints(2), Algorithm: PeakEWMA{}})
		for range 2000 {
			time.Sleep(time.Millisecond)
			lease, err := b.Pick(Query{})
			require.NoError(t, err)
			if lease.Host().Addr() == "10.0.0.0:8080" {
				lease.Done(mesh.Outcome{Kind: mesh.Failure, Latency: 100 * time.Microsecond})
			} else {
				lease.Done(mesh.Outcome{Kind: mesh.Success, Latency: 10 * time.Millisecond})
			}
		}
		require.Less(t, b.Host("10.0.0.0:8080").Requests(), uint64(1000))
		require.Positive(t, b.Stats().Hosts[1].Latency)

		// What was not answered says nothing.
		h := b.Host("10.0.0.1:8080")
		before := h.latency.value.Load()
		PeakEWMA{}.Observe(h, mesh.Outcome{Kind: mesh.Neutral, Latency: time.Hour})
		PeakEWMA{}.Observe(h, mesh.Outcome{Kind: mesh.Local, Latency: time.Hour})
		require.Equal(t, before, h.latency.value.Load())
	})
}
