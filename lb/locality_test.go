package lb

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A recordedSplit is how Envoy's round robin went over weighted localities.
type recordedSplit struct {
	ID               string
	Localities       []struct{ Healthy, Unhealthy int }
	Weights          []uint32
	Overprovisioning int
	PanicThreshold   float64 `json:"panic_threshold"`
	First40          []int   `json:"first_40"`
	PicksOf1200      []int   `json:"picks_of_1200"`
}

func TestLocalitiesTakeTurnsAsByEnvoy(t *testing.T) {
	for _, c := range envoyCases[recordedSplit](t, "locality_weighted") {
		t.Run(c.ID, func(t *testing.T) {
			var weights []float64
			var index []int
			healthy, hosts := 0, 0
			for i, l := range c.Localities {
				healthy, hosts = healthy+l.Healthy, hosts+l.Healthy+l.Unhealthy
				if w := localityWeight(c.Weights[i], l.Healthy, l.Healthy+l.Unhealthy, c.Overprovisioning); w > 0 {
					weights, index = append(weights, w), append(index, i)
				}
			}
			loads := spread([]levelHealth{{hosts, healthy, 0}}, c.Overprovisioning, c.PanicThreshold)
			if loads[0].panic {
				return // localities play no part: see the test through the balancer
			}
			run := func(after uint64, n int) []int {
				turns := newEDFAt(weights, after)
				var run []int
				for range n {
					i := turns.first()
					run = append(run, index[i])
					turns.requeue(weights[i])
				}
				return run
			}
			require.True(t, slices.ContainsFunc(upTo(2000), func(after uint64) bool {
				return slices.Equal(run(after, 40), c.First40)
			}), "no start gives %v", c.First40)
			counts := make([]int, len(c.Localities))
			for _, i := range run(0, 1200) {
				counts[i]++
			}
			for i := range counts {
				require.InDelta(t, c.PicksOf1200[i], counts[i], 1)
			}
		})
	}
}

func upTo(n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i)
	}
	return list
}

func TestABalancerSplitsOverLocalitiesAsEnvoy(t *testing.T) {
	for _, c := range envoyCases[recordedSplit](t, "locality_weighted") {
		if c.Overprovisioning != overprovisioning || slices.Contains(c.Weights, 0) {
			continue // not to be had natively
		}
		t.Run(c.ID, func(t *testing.T) {
			var endpoints []Endpoint
			sick := make(map[string]bool)
			for i, l := range c.Localities {
				for n := range l.Healthy + l.Unhealthy {
					addr := "10.0." + strconv.Itoa(i) + "." + strconv.Itoa(n) + ":80"
					sick[addr] = n >= l.Healthy
					endpoints = append(endpoints, Endpoint{
						Addr: addr, LocalityWeight: c.Weights[i],
						Locality: Locality{Region: "r", Zone: strconv.Itoa(i)},
					})
				}
			}
			b, err := New(Config{
				Endpoints: endpoints, Algorithm: RoundRobin{}, LocalityWeighted: true, NoPanic: c.PanicThreshold == 0,
			})
			require.NoError(t, err)
			for h := range b.Hosts() {
				h.SetHealthy(!sick[h.Addr()])
			}
			counts := make([]int, len(c.Localities))
			for range 1200 {
				lease, err := b.Pick(Query{})
				require.NoError(t, err)
				zone, err := strconv.Atoi(lease.Host().Endpoint().Locality.Zone)
				require.NoError(t, err)
				counts[zone]++
			}
			for i := range counts {
				require.InDelta(t, c.PicksOf1200[i], counts[i], 1)
			}
		})
	}
}

func TestParseLocality(t *testing.T) {
	for text, want := range map[string]Locality{
		"":           {},
		"us":         {Region: "us"},
		"us/a":       {Region: "us", Zone: "a"},
		"us/a/1":     {Region: "us", Zone: "a", SubZone: "1"},
		"us/a/1/r/2": {Region: "us", Zone: "a", SubZone: "1"},
		"us/":        {Region: "us"},
	} {
		l, err := ParseLocality(text)
		require.NoError(t, err, text)
		require.Equal(t, want, l, text)
	}
	for _, text := range []string{"/a", "//1", "us//1"} {
		_, err := ParseLocality(text)
		require.Error(t, err, text)
	}
}

func FuzzParseLocality(f *testing.F) {
	f.Add("us/a/1")
	f.Add("//")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLocality(text)
		if err != nil {
			return
		}
		again, err := ParseLocality(l.String())
		if err != nil || again != l {
			t.Fatalf("%q reads as %+v, which is written %q and reads as %+v, %v", text, l, l.String(), again, err)
		}
	})
}
