package lb

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

// heapInUse is what lives on the heap.
func heapInUse() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A set that changes a thousand times a second while requests go on: none of
// them fails, and nothing stays behind.
func TestChangesUnderLoadLoseNoRequestAndLeaveNothing(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			all := manyEndpoints(40, p.weights...)
			b := balanced(t, Config{Endpoints: all[:20], Algorithm: p.algorithm})
			transport := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil }))
			goroutines, heap := runtime.NumGoroutine(), heapInUse()

			var stop atomic.Bool
			var requests, failed atomic.Int64
			var clients sync.WaitGroup
			for range 8 {
				clients.Go(func() {
					r, _ := http.NewRequest("GET", "http://reviews/", nil)
					for !stop.Load() {
						requests.Add(1)
						res, err := transport.RoundTrip(r)
						if err != nil {
							failed.Add(1)
							continue
						}
						res.Body.Close()
						runtime.Gosched()
					}
				})
			}
			const changes = 200
			tick := time.NewTicker(time.Millisecond)
			for i := range changes {
				<-tick.C
				from := i % 20
				require.NoError(t, b.SetEndpoints(all[from:from+20]))
				b.Host(all[from+7].Addr).Eject()
			}
			tick.Stop()
			stop.Store(true)
			clients.Wait()
			require.Zero(t, failed.Load(), "of %d", requests.Load())
			for h := range b.Hosts() {
				require.Zero(t, h.Active())
				h.Restore()
			}
			require.NoError(t, b.SetEndpoints(all[:20]))
			b.settle()
			for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
				runtime.Gosched()
			}
			require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
			require.Less(t, heapInUse(), heap+1<<20)
		})
	}
}

func TestPicksEjectionsAndChangesAtTheSameTime(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			endpoints := withPriorities(manyEndpoints(30, p.weights...), 3)
			for i := range endpoints {
				endpoints[i].Locality.Zone = fmt.Sprint(i % 2)
			}
			b := balanced(t, Config{Endpoints: endpoints, Algorithm: p.algorithm, LocalityWeighted: true, Observers: []Observer{countless{}}})
			var all sync.WaitGroup
			for worker := range 64 {
				all.Go(func() {
					for i := range 60 {
						addr := endpoints[rand.IntN(len(endpoints))].Addr
						h := b.Host(addr)
						switch {
						case worker == 0:
							b.SetEndpoints(endpoints[i%10:])
						case worker < 4 && h != nil && i%2 == 0:
							h.Eject()
						case worker < 4 && h != nil:
							h.Restore()
						case worker == 4 && h != nil:
							h.SetHealthy(i%2 == 0)
						case worker == 5:
							b.Stats()
						case worker == 6 && i%20 == 0:
							b.Update(Config{Algorithm: p.algorithm, Warmup: Warmup{}})
						default:
							if lease, err := b.Pick(Query{}); err == nil {
								lease.Done(mesh.Outcome{Kind: mesh.Failure, Latency: time.Millisecond})
							}
						}
					}
				})
			}
			all.Wait()
			b.settle()
			for h := range b.Hosts() {
				require.Zero(t, h.Active())
			}
		})
	}
}

// Snapshots made at once are those of the last change, whatever the order in
// which concurrent callers came.
func TestConcurrentChangesEndInOneOfThem(t *testing.T) {
	b := balanced(t, Config{})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := b.SetEndpoints(Addrs(fmt.Sprintf("10.0.0.%d:80", i), fmt.Sprintf("10.0.1.%d:80", i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var last []byte
	for h := range b.Hosts() {
		last = append(last, h.Addr()[7])
	}
	require.Len(t, last, 2)
	require.Equal(t, last[0], last[1])
}

func TestTenThousandEndpointsTakeLittleMemory(t *testing.T) {
	for _, p := range policies {
		before := heapInUse()
		b := balanced(t, Config{Endpoints: manyEndpoints(10_000, p.weights...), Algorithm: p.algorithm})
		used := int64(heapInUse()) - int64(before)
		require.Less(t, used, int64(20<<20), p.name)
		t.Logf("%s: %.1f MiB", p.name, float64(used)/(1<<20))
		runtime.KeepAlive(b)
	}
}
