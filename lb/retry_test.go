package lb

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/stretchr/testify/require"
)

// attempts sends one request through a balancer until it has been answered by a
// host that does not fail, at most n times, as a layer that repeats would. It
// returns the addresses that it has met.
func attempts(t testing.TB, b *Balancer, n int, how retrying, key string, fails func(addr string) bool) []string {
	t.Helper()
	r, err := http.NewRequest("GET", "http://reviews/", nil)
	require.NoError(t, err)
	r.Header.Set("X-Key", key)
	f, r := flow.Ensure(r)
	f.Tell().Picks, f.Tell().Priorities = how.picks, how.priorities
	var met []string
	transport := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		met = append(met, r.URL.Host)
		if fails(r.URL.Host) {
			return answer(r, 503), nil
		}
		return answer(r, 200), nil
	}))
	try := &f.First
	var tried []*flow.Try
	for i := range n {
		if i > 0 {
			try, r = f.Next(f, r, i+1)
			try.Told = &flow.Told{Tried: tried}
		}
		res, err := transport.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
		if res.StatusCode == 200 {
			break
		}
		tried = append(tried, try)
	}
	return met
}

func TestARepeatedRequestMeetsAnotherHost(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			c := Config{Endpoints: manyEndpoints(2, p.weights...), Algorithm: p.algorithm}
			if _, ok := p.algorithm.(Consistent); ok {
				c.Hash = []HashSource{{Header: "x-key"}}
			}
			b := balanced(t, c)
			dead := c.Endpoints[0].Addr
			for i := range 1000 {
				met := attempts(t, b, 2, retrying{}, fmt.Sprint(i), func(addr string) bool { return addr == dead })
				require.NotEqual(t, dead, met[len(met)-1])
			}
		})
	}
}

func TestARepeatedRequestMeetsAllHostsBeforeItMeetsOneTwice(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			endpoints := manyEndpoints(12, p.weights...)
			for i := range endpoints {
				endpoints[i].Priority = uint32(i / 5) // those of the first level come first
			}
			b := balanced(t, Config{Endpoints: endpoints, Algorithm: p.algorithm})
			for range 50 {
				met := attempts(t, b, 12, retrying{}, "", func(string) bool { return true })
				for level, in := range [][]string{met[:5], met[5:10], met[10:]} {
					for _, addr := range in {
						require.EqualValues(t, level, b.Host(addr).Endpoint().Priority, "%v", met)
					}
				}
				slices.Sort(met)
				require.Len(t, slices.Compact(met), 12)
			}
		})
	}
}

func TestARepeatedRequestWithOneHostMeetsItAgain(t *testing.T) {
	for _, p := range policies {
		for _, picks := range []int{-1, 0, 1, 5} {
			b := balanced(t, Config{Endpoints: manyEndpoints(1), Algorithm: p.algorithm})
			require.Len(t, attempts(t, b, 3, retrying{picks: picks}, "", func(string) bool { return true }), 3)
		}
	}
}

func TestAKeyFindsTheSameSubstituteEachTime(t *testing.T) {
	for _, a := range []Algorithm{RingHash{}, Maglev{}} {
		b := balanced(t, Config{Endpoints: manyEndpoints(8), Algorithm: a, Hash: []HashSource{{Header: "x-key"}}})
		for i := range 100 {
			key := fmt.Sprint("key-", i)
			first := attempts(t, b, 8, retrying{}, key, func(string) bool { return true })
			require.Equal(t, first, attempts(t, b, 8, retrying{}, key, func(string) bool { return true }))
		}
	}
}

func TestCountedPicksCanMeetAHostTwice(t *testing.T) {
	// With one pick more among four hosts, one of sixteen pairs of draws hits the
	// host that was tried both times.
	b := balanced(t, Config{Endpoints: manyEndpoints(4), Algorithm: Random{}})
	for _, c := range []struct {
		picks int
		share float64
	}{{-1, 1. / 4}, {1, 1. / 16}, {2, 1. / 64}, {0, 0}} {
		const n = 20_000
		same := 0
		for range n {
			met := attempts(t, b, 2, retrying{picks: c.picks}, "", func(string) bool { return true })
			if met[0] == met[1] {
				same++
			}
		}
		require.InDelta(t, c.share, float64(same)/n, 0.015, "%d picks", c.picks)
	}
}

func TestPrioritiesThatWereTriedAreLeftOut(t *testing.T) {
	endpoints := withPriorities(manyEndpoints(6), 3)
	levels := func(every, n int) (levels []int) {
		b := balanced(t, Config{Endpoints: endpoints})
		for _, addr := range attempts(t, b, n, retrying{picks: -1, priorities: every}, "", func(string) bool { return true }) {
			levels = append(levels, int(b.Host(addr).Endpoint().Priority))
		}
		return levels
	}
	require.Equal(t, []int{0, 0, 0, 0}, levels(0, 4))
	require.Equal(t, []int{0, 1, 2, 0, 1}, levels(1, 5), "when all are out, all are in again")
	require.Equal(t, []int{0, 0, 1, 1, 2, 2, 0, 0, 1}, levels(2, 9))
}

func TestWithHashingAClientKeepsItsPriority(t *testing.T) {
	endpoints := manyEndpoints(20)
	for i := range endpoints {
		endpoints[i].Priority = uint32(i / 10)
	}
	b := balanced(t, Config{Endpoints: endpoints, Algorithm: RingHash{}})
	for i := range 6 {
		b.Host(endpoints[i].Addr).Eject()
	}
	b.settle()
	first := 0
	for i := range 1000 {
		q := Query{Hash: xxhash.Sum64String(fmt.Sprint(i)), Hashed: true}
		lease, err := b.Pick(q)
		require.NoError(t, err)
		// Four of ten, times 140 %.
		require.Equal(t, q.Hash%100+1 <= 56, lease.Host().Endpoint().Priority == 0)
		if lease.Host().Endpoint().Priority == 0 {
			first++
		}
	}
	require.InDelta(t, 560, first, 60)
}

func TestAttemptsOfOneRequestCanBeMadeAtTheSameTime(t *testing.T) {
	b := balanced(t, Config{
		Name: "reviews", Endpoints: manyEndpoints(5), Algorithm: RingHash{},
		Hash: []HashSource{{Cookie: &HashCookie{Name: "session", Issue: true}}},
	})
	transport := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil }))
	for range 50 {
		caller, _ := http.NewRequest("GET", "http://reviews/", nil)
		f, first := flow.Ensure(caller)
		_, second := f.Next(f, first, 2)
		_, third := f.Next(f, first, 3)
		var all sync.WaitGroup
		for _, r := range []*http.Request{first, second, third} {
			all.Go(func() {
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			})
		}
		all.Wait()
		require.Equal(t, 3, f.Attempts())
	}
	for h := range b.Hosts() {
		require.Zero(t, h.Active())
	}
}
