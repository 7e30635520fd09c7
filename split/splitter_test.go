package split

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// weighted are branches named and valued by their index.
func weighted(weights ...uint32) []Branch[int] {
	branches := make([]Branch[int], len(weights))
	for i, w := range weights {
		branches[i] = Branch[int]{Name: strconv.Itoa(i), Weight: w, Value: i}
	}
	return branches
}

func splitter(t testing.TB, weights ...uint32) *Splitter[int] {
	t.Helper()
	s, err := New(weighted(weights...)...)
	require.NoError(t, err)
	return s
}

// walk is the rule of Envoy in its plainest form.
func walk(weights []uint32, draw uint64) int {
	var total uint64
	for _, w := range weights {
		total += uint64(w)
	}
	v := draw % total
	for i, w := range weights {
		if v < uint64(w) {
			return i
		}
		v -= uint64(w)
	}
	panic("unreachable")
}

func TestPickIsEnvoysWeightedCluster(t *testing.T) {
	raw, err := os.ReadFile("../conformance/testdata/envoy/weighted_clusters.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			ID            string   `json:"id"`
			Weights       []uint32 `json:"weights"`
			ByRandomValue [][2]any `json:"by_random_value"`
			ByHashPolicy  [][2]any `json:"by_hash_policy"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			s := splitter(t, c.Weights...)
			for _, pair := range c.ByRandomValue {
				draw, err := strconv.ParseUint(pair[0].(string), 10, 64)
				require.NoError(t, err)
				require.EqualValues(t, pair[1], s.Pick(draw).Value, "draw %d", draw)
			}
			for _, pair := range c.ByHashPolicy {
				require.EqualValues(t, pair[1], s.Pick(xxhash.Sum64String(pair[0].(string))).Value, "hash of %s", pair[0])
			}
		})
	}
}

func TestPickIsTheWalkOverAnyWeights(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tables := [][]uint32{
		{1}, {math.MaxUint32}, {0, 0, 1}, {1, 0, 0}, {1, math.MaxUint32 - 1}, {math.MaxUint32 - 1, 1},
		append(slices.Repeat([]uint32{1}, 999), math.MaxUint32-999), // all but one share a guide
		slices.Repeat([]uint32{1}, 1000),
		slices.Repeat([]uint32{0, 3}, 500),
	}
	for range 200 {
		weights := make([]uint32, 1+rnd.IntN(60))
		for i := range weights {
			weights[i] = rnd.Uint32N(1 << rnd.IntN(26))
		}
		weights[0]++
		tables = append(tables, weights)
	}
	for _, weights := range tables {
		s := splitter(t, weights...)
		var total uint64
		for i, w := range weights {
			total += uint64(w)
			for _, draw := range []uint64{total - 1, total, total + 1, rnd.Uint64(), uint64(i)} {
				require.Equal(t, walk(weights, draw), s.Pick(draw).Value, "weights %v, draw %d", weights, draw)
			}
		}
	}
}

func FuzzPick(f *testing.F) {
	f.Add([]byte{1, 1}, uint64(1))
	f.Add([]byte{90, 10}, uint64(90))
	f.Add([]byte{0, 7, 0, 255}, uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, steps []byte, draw uint64) {
		weights := make([]uint32, len(steps))
		for i, b := range steps {
			weights[i] = uint32(b&15) << (b >> 4)
		}
		s, err := New(weighted(weights...)...)
		if err != nil {
			return
		}
		if got, want := s.Pick(draw).Value, walk(weights, draw); got != want {
			t.Errorf("Pick(%d) of %v = %d, want %d", draw, weights, got, want)
		}
	})
}

func TestSharesFollowTheWeights(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, weights := range [][]uint32{{50, 50}, {90, 10}, {999, 1}, {1, 2, 3}, {100, 200}, {5, 0, 95}} {
		const n = 200_000
		s, got := splitter(t, weights...), make([]float64, len(weights))
		for range n {
			got[s.Pick(rnd.Uint64()).Value]++
		}
		requireShares(t, weights, got, n)
	}
}

// requireShares holds each count against its expectation, with a bound that is
// exceeded once in 10^8 tries.
func requireShares(t *testing.T, weights []uint32, got []float64, n float64) {
	t.Helper()
	var total float64
	for _, w := range weights {
		total += float64(w)
	}
	for i, w := range weights {
		p := float64(w) / total
		require.InDelta(t, n*p, got[i], 5.8*math.Sqrt(n*p*(1-p))+0.5, "branch %d of %v", i, weights)
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	var nothing any
	_, err := New(
		Branch[any]{Weight: 0, Value: 1},
		Branch[any]{Name: "b", Value: nothing},
	)
	var got []string
	for p := range mesh.Problems(err) {
		got = append(got, p.Error())
	}
	require.Equal(t, []string{
		"split[0].Name: must not be empty",
		"split[1].Value: must not be nil",
		"split: has no branch with a weight",
	}, got)

	_, err = New[int]()
	require.EqualError(t, err, "split: has no branches")
	_, err = New(weighted(math.MaxUint32, 1)...)
	require.EqualError(t, err, "split: the weights add up to more than 4294967295 (got 4294967296)")
	_, err = New(weighted(math.MaxUint32)...)
	require.NoError(t, err)
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	s := splitter(t, 1, 0)
	require.Error(t, s.Update(weighted(0, 0)...))
	require.Equal(t, weighted(1, 0), slices.Collect(s.Branches()))
	require.NoError(t, s.Update(weighted(0, 1)...))
	require.Equal(t, 1, s.Pick(0).Value)
}

func TestBranchesThatTheCallerChangesLaterStayAsTheyWere(t *testing.T) {
	branches := weighted(1, 1)
	s, err := New(branches...)
	require.NoError(t, err)
	branches[0].Value = 7
	require.Equal(t, 0, s.Pick(0).Value)
}

func TestPicksSeeOneStateWholeWhileItIsReplaced(t *testing.T) {
	// In both states the branch that can be drawn is valued by the number of branches.
	small := []Branch[int]{{Name: "a", Weight: 1, Value: 1}}
	large := slices.Repeat([]Branch[int]{{Name: "b", Weight: 3, Value: 100}}, 100)
	s, err := New(small...)
	require.NoError(t, err)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := range uint64(20_000) {
				if v := s.Pick(i).Value; v != 1 && v != 100 {
					t.Errorf("picked %d", v)
				}
			}
		})
	}
	for range 2_000 {
		require.NoError(t, s.Update(large...))
		require.NoError(t, s.Update(small...))
	}
	readers.Wait()
}

func TestPickAllocatesNothing(t *testing.T) {
	s := splitter(t, slices.Repeat([]uint32{3}, 100)...)
	key := strings.Repeat("a rather long key ", 10)
	var draw uint64
	require.Zero(t, testing.AllocsPerRun(100, func() { draw++; s.Pick(draw) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { s.PickKey("reviews", key) }))
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{2, 10, 100, 1000} {
		weights := make([]uint32, n)
		for i := range weights {
			weights[i] = uint32(1 + i%7)
		}
		s := splitter(b, weights...)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Pick(rand.Uint64())
			}
		})
	}
}

func BenchmarkPickKey(b *testing.B) {
	s := splitter(b, 90, 10)
	b.ReportAllocs()
	for b.Loop() {
		s.PickKey("reviews", "user-4711")
	}
}
