package lb

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

// manyHosts are n hosts 10.x.y.z:8080 with the weights in turn, 1 if none are
// given.
func manyHosts(n int, weights ...uint32) []*Host {
	hosts := make([]*Host, n)
	for i := range hosts {
		e := Endpoint{Addr: fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255)}
		if len(weights) > 0 {
			e.Weight = weights[i%len(weights)]
		}
		hosts[i] = NewHost(e)
	}
	return hosts
}

func pickerOf(t testing.TB, a Algorithm, hosts []*Host) Picker {
	p, err := a.Picker(hosts)
	require.NoError(t, err)
	return p
}

// keyed is the query of the i-th of many keys.
func keyed(i int) Query {
	return Query{Hash: xxhash.Sum64String("key-" + strconv.Itoa(i)), Hashed: true}
}

var bothConsistent = map[string]Consistent{"ring": RingHash{}, "maglev": Maglev{}}

func TestPointsAreRoundedAsInEnvoysRings(t *testing.T) {
	for _, c := range []struct {
		name             string
		hosts            []*Host
		minSize, maxSize int
		want             []int
	}{
		{"three equal hosts make a multiple of three", manyHosts(3), 1024, maxRingSize, []int{342, 342, 342}},
		{"running sums spread what is left over", manyHosts(10), 1024, 1024, []int{103, 102, 103, 102, 102, 103, 102, 103, 102, 102}},
		{"weights 1, 2, 3", manyHosts(3, 1, 2, 3), 1024, maxRingSize, []int{171, 342, 513}},
		{"weights 1, 2, 3 in ten points", manyHosts(3, 1, 2, 3), 10, 10, []int{2, 3, 5}},
		{"weights 1, 100, 7", manyHosts(3, 1, 100, 7), 1024, maxRingSize, []int{10, 1000, 70}},
	} {
		require.Equal(t, c.want, ringCounts(weightShares(c.hosts), c.minSize, c.maxSize), c.name)
	}

	sum, without := 0, 0
	for _, n := range ringCounts(weightShares(manyHosts(50)), 1024, 1024) {
		sum += n
	}
	require.Equal(t, 1025, sum, "a rounded sum can pass the maximum by one")
	for _, n := range ringCounts(weightShares(manyHosts(50)), 10, 30) {
		if n == 0 {
			without++
		}
	}
	require.Equal(t, 19, without, "hosts without a point where there are 31 points for 50")
}

// The slow view of a ring's sums: Envoy's loop.
func TestPointsAreCountedAsByEnvoysLoop(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		weights := make([]uint32, 1+random.IntN(40))
		for i := range weights {
			weights[i] = 1 + random.Uint32()%uint32(1+random.IntN(1000))
		}
		shares := weightShares(manyHosts(len(weights), weights...))
		minSize := 1 + random.IntN(2000)
		maxSize := minSize + random.IntN(2000)

		least := slices.Min(shares)
		scale := math.Min(math.Ceil(least*float64(minSize))/least, float64(maxSize))
		want := make([]int, len(shares))
		current, target := 0.0, 0.0
		for i, s := range shares {
			step := scale * s
			for target += step; current < target; current++ {
				want[i]++
			}
		}
		require.Equal(t, want, ringCounts(shares, minSize, maxSize), "weights %v, sizes %d to %d", weights, minSize, maxSize)
	}
}

func TestTheRingOfThreeHostsBeginsAsEnvoys(t *testing.T) {
	keys := []string{"127.0.0.1:28001", "127.0.0.1:28002", "127.0.0.1:28003"}
	r := buildRing(nil, keys, []int{342, 342, 342}, xxHash)
	require.Len(t, r.hashes, 1026)
	require.Equal(t, []uint64{0x003c869989526841, 0x00f7ee1092e6431c, 0x014251bcddbb45ba, 0x01478273a25928f9}, r.hashes[:4])
	require.Equal(t, []uint32{1, 2, 1, 0}, r.owners[:4])
	require.Equal(t, uint64(0xffe5d0e0a67e3491), r.hashes[1025])
	require.Equal(t, uint32(0), r.owners[1025])
	require.Equal(t, 0, r.find(0xffe5d0e0a67e3492), "behind the last point comes the first")
}

func TestTheTableOfThreeHostsBeginsAsEnvoys(t *testing.T) {
	keys := []string{"127.0.0.1:28001", "127.0.0.1:28002", "127.0.0.1:28003"}
	table := buildMaglev(keys, []float64{1. / 3, 1. / 3, 1. / 3}, 251)
	require.Equal(t, []uint32{0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 1, 2, 0, 2, 2, 0, 0, 2, 1, 0, 2, 2, 1, 2}, table[:24])
}

// mt19937 is fixed by the C++ standard: the 10000th number from the default seed.
func TestTwisterIsTheStandards(t *testing.T) {
	var r twister
	r.seed(5489)
	var last uint32
	for range 10000 {
		last = r.draw()
	}
	require.Equal(t, uint32(4123659995), last)
}

func TestRingsMadeFromOthersAreTheSameAsNewOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all := hashKeys(manyHosts(30))
	for range 300 {
		var prev *ring
		for range 6 {
			random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			keys := slices.Clone(all[:1+random.IntN(20)])
			counts := make([]int, len(keys))
			for i := range counts {
				counts[i] = random.IntN(40)
			}
			if len(keys) > 1 && random.IntN(4) == 0 {
				keys[0] = keys[1]
			}
			hash := pointHash(random.IntN(20) / 19)
			got, want := buildRing(prev, keys, counts, hash), buildRing(nil, keys, counts, hash)
			require.Equal(t, want.hashes, got.hashes)
			require.Equal(t, want.owners, got.owners)
			require.Equal(t, want.starts, got.starts)
			prev = got
		}
	}
}

func TestARingHasThePointsOfTheNaiveOne(t *testing.T) {
	keys := hashKeys(manyHosts(40))
	counts := make([]int, len(keys))
	var want []point
	for m, key := range keys {
		counts[m] = 3 * m
		for n := range counts[m] {
			want = append(want, point{xxhash.Sum64String(fmt.Sprintf("%s_%d", key, n)), uint32(m)})
		}
	}
	slices.SortFunc(want, func(a, b point) int { return cmp.Compare(a.hash, b.hash) })
	r := buildRing(nil, keys, counts, xxHash)
	require.Len(t, r.hashes, len(want))
	for i, p := range want {
		require.Equal(t, p, point{r.hashes[i], r.owners[i]})
	}
}

func FuzzFindIsABinarySearch(f *testing.F) {
	f.Add(uint64(0), uint8(3), uint16(20))
	f.Add(uint64(math.MaxUint64), uint8(1), uint16(1))
	f.Fuzz(func(t *testing.T, hash uint64, members uint8, points uint16) {
		keys := hashKeys(manyHosts(1 + int(members)%8))
		r := buildRing(nil, keys, slices.Repeat([]int{1 + int(points)%512}, len(keys)), xxHash)
		for _, h := range []uint64{hash, r.hashes[hash%uint64(len(r.hashes))]} {
			want := sort.Search(len(r.hashes), func(i int) bool { return r.hashes[i] >= h })
			if want == len(r.hashes) {
				want = 0
			}
			if got := r.find(h); got != want {
				t.Errorf("%d points: %x found at %d, want %d", len(r.hashes), h, got, want)
			}
		}
	})
}

func TestRemovingAHostFromARingMovesItsKeysOnly(t *testing.T) {
	hosts := manyHosts(12, 1, 2, 3)
	// The number of points of the others must not change with the shares: it does
	// not where the smallest share decides.
	with := pickerOf(t, RingHash{MinSize: 1}, hosts)
	for gone := range hosts {
		without := pickerOf(t, RingHash{MinSize: 1}, slices.Delete(slices.Clone(hosts), gone, gone+1))
		for i := range 2000 {
			before, after := with.Pick(keyed(i)), without.Pick(keyed(i))
			if before != hosts[gone] {
				require.Same(t, before, after, "key %d, without host %d", i, gone)
			}
		}
	}
}

func TestRemovingAHostFromATableMovesFewOtherKeys(t *testing.T) {
	hosts := manyHosts(20)
	with, without := pickerOf(t, Maglev{}, hosts), pickerOf(t, Maglev{}, hosts[1:])
	moved := 0
	for i := range 20000 {
		if before := with.Pick(keyed(i)); before != hosts[0] && before != without.Pick(keyed(i)) {
			moved++
		}
	}
	require.Less(t, moved, 20000/20, "keys of hosts that stay")
}

func TestKeysAreSharedByWeight(t *testing.T) {
	const keys = 60000
	for name, a := range map[string]Algorithm{"ring": RingHash{MinSize: 60000}, "maglev": Maglev{}} {
		t.Run(name, func(t *testing.T) {
			hosts := manyHosts(6, 1, 2, 3)
			p := pickerOf(t, a, hosts)
			got := map[*Host]int{}
			for i := range keys {
				got[p.Pick(keyed(i))]++
			}
			for _, h := range hosts {
				want := float64(keys) * float64(h.Weight()) / 12
				// Both the keys and a ring's points are a random sample.
				require.InDelta(t, want, got[h], 5*math.Sqrt(2*want), h.Addr())
			}
		})
	}
}

func TestEverySlotOfATableHasAnOwner(t *testing.T) {
	for _, n := range []int{1, 2, 7, 250, 251, 300} {
		hosts := manyHosts(n, 1, 5, 100)
		for _, host := range pickerOf(t, Maglev{TableSize: 251}, hosts).(*maglevPicker).of {
			require.Less(t, int(host), n)
		}
	}
}

func TestTheOrderOfHostsDoesNotMatter(t *testing.T) {
	for name, a := range bothConsistent {
		hosts := manyHosts(9)
		turned := slices.Clone(hosts)
		slices.Reverse(turned)
		p, q := pickerOf(t, a, hosts), pickerOf(t, a, turned)
		for i := range 1000 {
			require.Same(t, p.Pick(keyed(i)), q.Pick(keyed(i)), name)
		}
	}
}

func TestARequestWithoutAHashGoesByTheDraw(t *testing.T) {
	for name, a := range bothConsistent {
		hosts := manyHosts(5)
		p := pickerOf(t, a, hosts)
		got := map[*Host]int{}
		for range 5000 {
			got[p.Pick(Query{Hash: 1, Draw: rand.Uint64()})]++
		}
		for _, h := range hosts {
			require.InDelta(t, 1000, got[h], 300, name)
		}
		require.Same(t, p.Pick(Query{Draw: 7}), p.Pick(Query{Draw: 7}), name)
	}
}

func TestTriedHostsAreLeftOutInAnOrderOfTheKeysOwn(t *testing.T) {
	for name, a := range map[string]Algorithm{
		"ring": RingHash{}, "maglev": Maglev{},
		"bounded ring": RingHash{BalanceFactor: 100}, "bounded maglev": Maglev{BalanceFactor: 100},
	} {
		t.Run(name, func(t *testing.T) {
			hosts := manyHosts(6)
			p := pickerOf(t, a, hosts)
			for i := range 50 {
				q := keyed(i)
				first := p.Pick(q)
				for range hosts {
					h := p.Pick(q)
					require.NotContains(t, q.Tried, h)
					require.Same(t, h, p.Pick(q), "the same substitute each time")
					q.Tried = append(q.Tried, h)
				}
				require.Same(t, first, p.Pick(q), "with all tried the first is as good as any")
			}
		})
	}
}

func TestBoundedLoadKeepsEveryHostWithinItsPart(t *testing.T) {
	for name, a := range map[string]Algorithm{"ring": RingHash{BalanceFactor: 125}, "maglev": Maglev{BalanceFactor: 125}} {
		t.Run(name, func(t *testing.T) {
			hosts := manyHosts(200, 1, 2, 3) // more than are kept on the stack
			p := pickerOf(t, a, hosts)
			const requests = 4000
			for i := range requests {
				p.Pick(keyed(i % 3)).begin() // three keys only
			}
			for i, share := range weightShares(hosts) {
				most := math.Ceil(1.25*(requests+1)*share) + 1
				require.LessOrEqual(t, hosts[i].Active(), int(most))
			}
		})
	}
}

func TestRefusedSizesAreReported(t *testing.T) {
	for _, c := range []struct {
		algorithm interface{ Validate() error }
		fields    []string
	}{
		{RingHash{}, nil},
		{RingHash{MinSize: maxRingSize, MaxSize: maxRingSize}, nil},
		{RingHash{MinSize: maxRingSize + 1}, []string{"lb.MinSize", "lb.MinSize"}},
		{RingHash{MinSize: -1, MaxSize: maxRingSize + 1}, []string{"lb.MinSize", "lb.MaxSize"}},
		{RingHash{MinSize: 2000, MaxSize: 1999}, []string{"lb.MinSize"}},
		{RingHash{MaxSize: 1000}, []string{"lb.MinSize"}},
		{RingHash{BalanceFactor: 99}, []string{"lb.BalanceFactor"}},
		{Maglev{}, nil},
		{Maglev{TableSize: 5000011}, nil},
		{Maglev{TableSize: 2}, nil},
		{Maglev{TableSize: 1}, []string{"lb.TableSize"}},
		{Maglev{TableSize: 65536}, []string{"lb.TableSize"}},
		{Maglev{TableSize: -7}, []string{"lb.TableSize"}},
		{Maglev{TableSize: 5000077, BalanceFactor: -1}, []string{"lb.TableSize", "lb.BalanceFactor"}},
	} {
		err := c.algorithm.Validate()
		var fields []string
		for p := range mesh.Problems(err) {
			fields = append(fields, p.Field)
		}
		require.Equal(t, c.fields, fields, "%+v: %v", c.algorithm, err)
		if c.fields != nil {
			_, err = c.algorithm.(Algorithm).Picker(manyHosts(2))
			require.Error(t, err)
		}
	}
}

func TestConsistentPicksAllocateNothing(t *testing.T) {
	hosts := manyHosts(100)
	for _, h := range hosts[:99] {
		for range 50 {
			h.begin()
		}
	}
	for name, a := range map[string]Algorithm{
		"ring": RingHash{}, "maglev": Maglev{}, "bounded ring": RingHash{BalanceFactor: 100}, "bounded maglev": Maglev{BalanceFactor: 100},
	} {
		p := pickerOf(t, a, hosts)
		q := Query{Hashed: true, Tried: hosts[:2]}
		require.Zero(t, testing.AllocsPerRun(200, func() {
			q.Hash += 0x9e3779b97f4a7c15
			p.Pick(q)
		}), name)
	}
}
