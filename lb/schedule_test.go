package lb

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A sequence is a recorded run of picks, by index of the endpoint, by each of
// several clusters that started at random.
type sequence struct {
	ID        string
	Weights   []uint32
	Sequences [][]int
}

// weighted are hosts of these weights.
func weighted(weights []uint32) []*Host {
	hosts := make([]*Host, len(weights))
	for i, w := range weights {
		hosts[i] = NewHost(Endpoint{Addr: fmt.Sprintf("10.0.0.%d:80", i), Weight: w})
	}
	return hosts
}

// picks are n picks in a row, by index of the host.
func picks(p Picker, hosts []*Host, n int) []int {
	run := make([]int, n)
	for i := range run {
		run[i] = slices.Index(hosts, p.Pick(Query{}))
	}
	return run
}

// startedAfter reports whether the picker of an algorithm that starts after some
// number of picks makes this run.
func startedAfter(run []int, hosts []*Host, start func(draw uint64) Picker) bool {
	for after := range uint64(700) {
		if slices.Equal(picks(start(after<<32), hosts, len(run)), run) {
			return true
		}
	}
	return false
}

func TestRoundRobinGoesByEnvoysSchedule(t *testing.T) {
	for _, c := range envoyCases[sequence](t, "weighted_round_robin") {
		t.Run(c.ID, func(t *testing.T) {
			hosts := weighted(c.Weights)
			for _, run := range c.Sequences {
				require.True(t, startedAfter(run, hosts, func(draw uint64) Picker {
					return RoundRobin{}.start(hosts, draw, time.Now().UnixNano())
				}), "no start gives %v", run)
			}
		})
	}
}

func TestWrittenOutTurnsAreThoseOfTheSchedule(t *testing.T) {
	for _, weights := range [][]uint32{{3, 1}, {5, 1, 1}, {2, 4, 6}, {7, 3}, {1, 128}, {10, 20, 30, 40}, {1000, 999}} {
		hosts := weighted(weights)
		for after := range uint64(50) {
			written := RoundRobin{}.start(hosts, after<<32, 0)
			require.IsType(t, &rotation{}, written)
			schedule := scheduled(hosts, nil, weightOnly, after<<32, 0)
			n := int(turnsOf(hosts))
			require.Equal(t, picks(schedule, hosts, n), picks(written, hosts, n), "weights %v", weights)
			once, again := picks(written, hosts, n), picks(written, hosts, n)
			require.Equal(t, once, again)
		}
	}
	require.EqualValues(t, 6, turnsOf(weighted([]uint32{2, 4, 6})))
	require.IsType(t, &schedule{}, RoundRobin{}.start(weighted([]uint32{1, 1_000_003}), 0, 0), "too many to write out")
}

func TestLeastRequestWithoutConcurrencyGoesByEnvoysSchedule(t *testing.T) {
	for _, c := range envoyCases[sequence](t, "least_request_sequential") {
		if allEqual(c.Weights) {
			continue // random
		}
		t.Run(c.ID, func(t *testing.T) {
			hosts := weighted(c.Weights)
			for _, run := range c.Sequences {
				require.True(t, startedAfter(run, hosts, func(draw uint64) Picker {
					return LeastRequest{}.start(hosts, draw, time.Now().UnixNano())
				}), "no start gives %v", run)
			}
		})
	}
}

func allEqual(weights []uint32) bool {
	return !slices.ContainsFunc(weights, func(w uint32) bool { return w != weights[0] })
}

func TestSchedulesRepeatInEnvoysCycles(t *testing.T) {
	// As observed, from some point of the cycle on.
	for _, c := range []struct {
		weights []float64
		cycle   []int
	}{
		{[]float64{3, 1}, []int{0, 0, 1, 0}},
		{[]float64{5, 1, 1}, []int{0, 0, 0, 0, 1, 2, 0}},
		{[]float64{1, 2, 3}, []int{2, 1, 2, 0, 1, 2}},
		{[]float64{3, 2, 1}, []int{0, 1, 0, 2, 1, 0}},
		{[]float64{1, 1, 2}, []int{2, 0, 1, 2}},
		{[]float64{7, 3}, []int{0, 0, 1, 0, 0, 1, 0, 0, 1, 0}},
		{[]float64{100, 100, 100, 50}, []int{0, 1, 2, 0, 1, 2, 3}},
	} {
		turns := newEDFAt(c.weights, 0)
		var run []int
		for range c.cycle {
			i := turns.first()
			run = append(run, i)
			turns.requeue(c.weights[i])
		}
		twice := fmt.Sprint(append(slices.Clone(c.cycle), c.cycle...))
		require.Contains(t, twice, strings.Trim(fmt.Sprint(run), "[]"), "weights %v", c.weights)
	}
}

func TestALateStartOfAScheduleHasGivenEachItsShare(t *testing.T) {
	weights := []float64{1, 2, 3.5, 0.01, 90}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	for _, after := range []uint64{0, 1, 2, 17, 1000, 12345, startPicks - 1} {
		turns := newEDFAt(weights, after)
		counts := make([]int, len(weights))
		const n = 96_510 // 1000 rounds
		for range n {
			i := turns.first()
			counts[i]++
			turns.requeue(weights[i])
		}
		for i, w := range weights {
			require.InDelta(t, n*w/sum, counts[i], 1.5, "entry %d after %d picks", i, after)
		}
	}
}

func TestRoundRobinStartsAnywhere(t *testing.T) {
	hosts := weighted([]uint32{1, 1, 1, 1})
	seen := make(map[*Host]bool)
	for i := range uint64(64) {
		seen[RoundRobin{}.start(hosts, redraw(i), time.Now().UnixNano()).Pick(Query{})] = true
	}
	require.Len(t, seen, 4)
}

func TestLeastRequestDividesWeightsByRequests(t *testing.T) {
	// Weights 2 and 1; the first has three requests, so 2/4 against 1.
	for _, c := range []struct {
		bias float64
		want float64 // share of the first
	}{{0, 0.5 / 1.5}, {1, 0.5 / 1.5}, {2, 0.125 / 1.125}, {-1, 2. / 3}} {
		hosts := weighted([]uint32{2, 1})
		for range 3 {
			hosts[0].begin()
		}
		p := LeastRequest{ActiveBias: c.bias}.start(hosts, 0, time.Now().UnixNano())
		first := 0
		const n = 9000
		for range n {
			if p.Pick(Query{}) == hosts[0] {
				first++
			}
		}
		require.InDelta(t, c.want, float64(first)/n, 0.001, "bias %v", c.bias)
	}
}
