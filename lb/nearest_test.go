package lb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inLocalities are endpoints in these localities.
func inLocalities(t testing.TB, localities ...string) []Endpoint {
	endpoints := manyEndpoints(len(localities))
	for i, text := range localities {
		l, err := ParseLocality(text)
		require.NoError(t, err)
		endpoints[i].Locality = l
	}
	return endpoints
}

func prioritiesOf(endpoints []Endpoint) (priorities []int) {
	for _, e := range endpoints {
		priorities = append(priorities, int(e.Priority))
	}
	return priorities
}

func TestNearEndpointsComeFirst(t *testing.T) {
	local := Locality{"us", "a", "1"}
	for _, c := range []struct {
		about      string
		nearest    Nearest
		localities string
		want       []int
	}{
		{"by subzone, zone and region", Nearest{Local: local}, "eu/a/1 us/b/1 us/a/1 us/a/2", []int{3, 2, 0, 1}},
		{"without gaps", Nearest{Local: local}, "eu us/a/1 asia", []int{1, 0, 1}},
		{"unknown parts are equal", Nearest{Local: Locality{Region: "us"}}, "us us/a eu", []int{0, 1, 2}},
		{"a caller that is nowhere has all equally far that are somewhere", Nearest{}, "us/a/1 eu/b/2", []int{0, 0}},
		{"failover puts a region before others", Nearest{Local: local, Failover: []Failover{{"us", "asia"}}}, "eu asia us/a/1 africa", []int{2, 1, 0, 2}},
		{"the first failover of a region counts", Nearest{Local: local, Failover: []Failover{{"us", "asia"}, {"us", "eu"}}}, "eu asia", []int{1, 0}},
		{"that of another region does not", Nearest{Local: local, Failover: []Failover{{"eu", "asia"}}}, "eu asia", []int{0, 0}},
	} {
		t.Run(c.about, func(t *testing.T) {
			endpoints := inLocalities(t, strings.Fields(c.localities)...)
			require.Equal(t, c.want, prioritiesOf(c.nearest.Place(endpoints)))
			require.Equal(t, make([]int, len(endpoints)), prioritiesOf(endpoints), "the list given is not changed")
		})
	}
}

func TestEndpointsRankByTheFirstLabelThatDiffers(t *testing.T) {
	gold := map[string]string{"zone": "z1", "tier": "gold"}
	for _, c := range []struct {
		about   string
		nearest Nearest
		labels  []map[string]string
		want    []int
	}{
		{
			"as the caller has them", Nearest{Labels: gold, By: []string{"zone", "tier"}},
			[]map[string]string{{"zone": "z2", "tier": "tin"}, {"zone": "z2", "tier": "gold"}, {"zone": "z1", "tier": "tin"}, gold},
			[]int{2, 2, 1, 0},
		},
		{
			"or as the entry wants them", Nearest{Labels: gold, By: []string{"tier=tin", "zone"}},
			[]map[string]string{{"zone": "z1", "tier": "tin"}, {"zone": "z2", "tier": "tin"}, gold},
			[]int{0, 1, 2},
		},
		{
			"a label that both lack is equal", Nearest{Labels: gold, By: []string{"rack", "zone"}},
			[]map[string]string{{"zone": "z1"}, {"zone": "z1", "rack": "7"}},
			[]int{0, 1},
		},
		{
			"a caller without labels cannot be compared", Nearest{By: []string{"zone"}},
			[]map[string]string{{"zone": "z1"}, nil},
			[]int{0, 0},
		},
		{
			"another network ranks behind, in the same order", Nearest{
				Labels: map[string]string{networkLabel: "n1", "zone": "z1", "tier": "gold"}, By: []string{networkLabel, "zone", "tier"},
			},
			[]map[string]string{
				{networkLabel: "n2", "zone": "z1", "tier": "gold"},
				{networkLabel: "n2", "zone": "z2"},
				{networkLabel: "n1", "zone": "z2"},
				{networkLabel: "n1", "zone": "z1"},
				{networkLabel: "n1", "zone": "z1", "tier": "gold"},
			},
			[]int{3, 4, 2, 1, 0},
		},
		{
			"a network that is not first is a label like any", Nearest{
				Labels: map[string]string{networkLabel: "n1", "zone": "z1"}, By: []string{"zone", networkLabel},
			},
			[]map[string]string{{networkLabel: "n1", "zone": "z2"}, {networkLabel: "n2", "zone": "z1"}},
			[]int{1, 0},
		},
	} {
		t.Run(c.about, func(t *testing.T) {
			endpoints := manyEndpoints(len(c.labels))
			for i := range endpoints {
				endpoints[i].Labels = c.labels[i]
			}
			require.Equal(t, c.want, prioritiesOf(c.nearest.Place(endpoints)))
		})
	}
}

func TestLabelsOfLocalityNeedNotBeWritten(t *testing.T) {
	endpoints := inLocalities(t, "us/b/1", "us/a/2", "eu/a/1", "us/a/1")
	by := []string{"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"}
	n := Nearest{Local: Locality{"us", "a", "1"}, By: by}
	require.Equal(t, []int{2, 1, 3, 0}, prioritiesOf(n.Place(endpoints)))
}

func TestFailoverRefinesWhatLabelsSay(t *testing.T) {
	endpoints := inLocalities(t, "asia", "eu", "asia", "eu", "us")
	for i := range endpoints {
		endpoints[i].Labels = map[string]string{"tier": []string{"gold", "gold", "tin", "tin", "tin"}[i]}
	}
	n := Nearest{
		Local: Locality{Region: "us"}, Labels: map[string]string{"tier": "gold"},
		By: []string{"tier"}, Failover: []Failover{{"us", "asia"}},
	}
	require.Equal(t, []int{0, 1, 3, 4, 2}, prioritiesOf(n.Place(endpoints)))
}

func TestPrioritiesGivenRankHigherThanNearness(t *testing.T) {
	endpoints := inLocalities(t, "us", "eu", "us", "eu")
	endpoints[0].Priority, endpoints[1].Priority = 5, 5
	require.Equal(t, []int{2, 3, 0, 1}, prioritiesOf(Nearest{Local: Locality{Region: "us"}}.Place(endpoints)))
}

// Outcomes recorded through a sidecar: one local endpoint of three out, then two.
func TestPartOfTheRequestsLeavesAnAilingZone(t *testing.T) {
	b := balanced(t, Config{
		Endpoints: inLocalities(t, "us/a/1", "us/a/1", "us/a/1", "eu/a/1"),
		Placement: []Placement{Nearest{Local: Locality{"us", "a", "1"}}},
		NoPanic:   true,
	})
	for _, c := range []struct{ out, away int }{{0, 0}, {1, 7}, {2, 54}, {3, 100}} {
		for i := range c.out {
			b.Host(manyEndpoints(3)[i].Addr).Eject()
		}
		require.InDelta(t, c.away*100, spreadOf(t, b, 10_000)["10.0.0.3:8080"], 250, "%d out", c.out)
	}
	b.Host("10.0.0.3:8080").Eject()
	_, err := b.Pick(Query{})
	require.Error(t, err)
}

func TestDistributeSplitsByTheCallersLocality(t *testing.T) {
	type weights map[string]uint32
	for _, c := range []struct {
		about      string
		local      string
		rules      []Distribution
		localities string
		want       []uint32 // of each endpoint; zero is left out
	}{
		{
			"localities of one entry share its weight", "us/a/1", []Distribution{{"us/a/*", weights{"us/a/*": 70, "us/b/*": 30}}},
			"us/a/1 us/a/2 us/b/1 eu/a/1", []uint32{35, 35, 30, 0},
		},
		{
			"by the weights of their endpoints, rounded up", "us/a/1", []Distribution{{"*", weights{"us": 10, "*": 1}}},
			"us/a us/a us/b eu", []uint32{7, 7, 4, 1},
		},
		{
			"the first rule that the caller is in counts", "us/a/1", []Distribution{{"eu", weights{"eu": 1}}, {"us", weights{"us/b": 1}}, {"us/a", weights{"us/a": 1}}},
			"us/a us/b eu", []uint32{0, 1, 0},
		},
		{
			"the longer entry counts where they overlap", "us/a/1", []Distribution{{"us", weights{"us/*": 10, "us/a/1": 90}}},
			"us/a/1 us/a/2 us/b/1", []uint32{90, 5, 5},
		},
		{
			"a weight of zero is no traffic", "us/a/1", []Distribution{{"us", weights{"us": 1, "eu": 0}}},
			"us eu", []uint32{1, 0},
		},
	} {
		t.Run(c.about, func(t *testing.T) {
			local, err := ParseLocality(c.local)
			require.NoError(t, err)
			endpoints := inLocalities(t, strings.Fields(c.localities)...)
			got := make([]uint32, len(endpoints))
			for _, e := range (Distribute{Local: local, Rules: c.rules}).Place(endpoints) {
				i := slices.IndexFunc(endpoints, func(f Endpoint) bool { return f.Addr == e.Addr })
				got[i] = e.LocalityWeight
			}
			require.Equal(t, c.want, got)
		})
	}

	endpoints := inLocalities(t, "us", "eu")
	none := Distribute{Local: Locality{Region: "asia"}, Rules: []Distribution{{"us", weights{"us": 1}}}}
	require.Equal(t, endpoints, none.Place(endpoints), "without a rule for the caller all stay")
}

// Outcomes recorded through a sidecar.
func TestADistributionMovesWithEjectionsOnly(t *testing.T) {
	b := balanced(t, Config{
		Endpoints: inLocalities(t, "us/a/1", "eu/a/1", "asia"), Algorithm: RoundRobin{}, LocalityWeighted: true, NoPanic: true,
		Placement: []Placement{Distribute{Local: Locality{"us", "a", "1"}, Rules: []Distribution{{"us/*", map[string]uint32{"us/*": 50, "eu/*": 50}}}}},
	})
	require.Equal(t, map[string]int{"10.0.0.0:8080": 50, "10.0.0.1:8080": 50}, spreadOf(t, b, 100))
	b.Host("10.0.0.1:8080").Eject()
	require.Equal(t, map[string]int{"10.0.0.0:8080": 100}, spreadOf(t, b, 100))
	b.Host("10.0.0.0:8080").Eject()
	_, err := b.Pick(Query{})
	require.ErrorContains(t, err, "of 3, 2 are ejected, 0 unhealthy, 1 left out by locality")
}

func TestASubsetIsStableAndEven(t *testing.T) {
	all := manyEndpoints(100)
	const clients, size = 200, 10
	load := make(map[string]int)
	moved := 0
	for c := range clients {
		s := Subset{Client: fmt.Sprint("client-", c), Size: size}
		in := s.Place(all)
		require.Len(t, in, size)
		for _, e := range in {
			load[e.Addr]++
		}
		require.Equal(t, in, s.Place(all))

		// One endpoint goes: only clients that used it notice, and take one other.
		less := s.Place(all[1:])
		for _, e := range less {
			if !slices.ContainsFunc(in, func(f Endpoint) bool { return f.Addr == e.Addr }) {
				moved++
			}
		}
	}
	require.Equal(t, load[all[0].Addr], moved)
	require.Len(t, load, 100, "every endpoint is used")
	for addr, n := range load {
		require.InDelta(t, clients*size/100, n, 18, addr) // four standard deviations
	}
	require.Len(t, Subset{Client: "c", Size: 1000}.Place(all), 100)
	require.Len(t, Subset{Client: "c", Size: 3}.Place(withPriorities(manyEndpoints(10), 2)), 6, "of each priority")
}

func FuzzMatchLocality(f *testing.F) {
	f.Add("us/*", "us", "a", "1")
	f.Add("*", "", "", "")
	f.Add("us//1", "us", "", "1")
	f.Fuzz(func(t *testing.T, pattern, region, zone, subZone string) {
		l := Locality{region, zone, subZone}
		parts := append(strings.Split(pattern, "/"), "", "")
		want := true
		for i, have := range []string{region, zone, subZone} {
			any := parts[i] == "*" || parts[i] == "" && i > 0
			want = want && (any || parts[i] == have)
		}
		if got := matchLocality(pattern, l); got != want {
			t.Fatalf("pattern %q, locality %+v: %v, want %v", pattern, l, got, want)
		}
	})
}
