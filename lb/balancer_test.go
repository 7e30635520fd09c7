package lb

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

// spreadOf is how n picks are spread over hosts, by address.
func spreadOf(t testing.TB, b *Balancer, n int) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for range n {
		lease, err := b.Pick(Query{})
		require.NoError(t, err)
		counts[lease.Host().Addr()]++
		lease.Done(mesh.Outcome{})
	}
	return counts
}

func TestAnEjectionTakesEffectAtOnce(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			b := balanced(t, Config{Endpoints: manyEndpoints(10, p.weights...), Algorithm: p.algorithm})
			for i := range 4 {
				h := b.Host(fmt.Sprintf("10.0.0.%d:8080", i))
				h.Eject()
				require.NotContains(t, spreadOf(t, b, 500), h.Addr())
			}
			b.Host("10.0.0.0:8080").Restore()
			b.settle() // a table that takes its time does so apart from this
			require.Contains(t, spreadOf(t, b, 500), "10.0.0.0:8080")
		})
	}
}

func TestASickHostIsLeftAloneUntilItIsHealthy(t *testing.T) {
	b := balanced(t, Config{Endpoints: manyEndpoints(3), Algorithm: RoundRobin{}})
	h := b.Host("10.0.0.1:8080")
	h.SetHealthy(false)
	h.SetHealthy(false)
	require.False(t, h.Healthy())
	require.Equal(t, map[string]int{"10.0.0.0:8080": 30, "10.0.0.2:8080": 30}, spreadOf(t, b, 60))
	h.Eject()
	h.SetHealthy(true)
	require.NotContains(t, spreadOf(t, b, 60), h.Addr(), "it is still ejected")
	h.Restore()
	require.Equal(t, 20, spreadOf(t, b, 60)[h.Addr()])
}

func TestAllHostsAreUsedInAPanic(t *testing.T) {
	for _, c := range []struct {
		about   string
		config  Config
		out     int // of ten
		used    int
		refused bool
	}{
		{"half of the hosts are enough by default", Config{}, 5, 5, false},
		{"less than half are not", Config{}, 6, 10, false},
		{"none are not", Config{}, 10, 10, false},
		{"the share can be set", Config{Panic: mesh.Percent(20)}, 8, 2, false},
		{"and is then the least", Config{Panic: mesh.Percent(20)}, 9, 10, false},
		{"or switched off", Config{NoPanic: true}, 9, 1, false},
		{"so that requests are refused", Config{NoPanic: true}, 10, 0, true},
	} {
		t.Run(c.about, func(t *testing.T) {
			c.config.Endpoints = manyEndpoints(10)
			b := balanced(t, c.config)
			for i := range c.out {
				b.Host(c.config.Endpoints[i].Addr).Eject()
			}
			require.Equal(t, c.used == 10, b.Stats().Levels[0].Panic)
			if c.refused {
				_, err := b.Pick(Query{})
				require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))
				return
			}
			require.Len(t, spreadOf(t, b, 2000), c.used)
		})
	}
}

func TestWhatAPriorityCannotTakeGoesToTheNext(t *testing.T) {
	// Shares as Envoy computes them: 140 % of what is healthy.
	for _, c := range []struct {
		out   int // of ten in the first priority
		first int // per cent
	}{{0, 100}, {2, 100}, {3, 98}, {5, 70}, {8, 28}, {10, 0}} {
		for _, p := range policies {
			t.Run(fmt.Sprintf("%s, %d out", p.name, c.out), func(t *testing.T) {
				endpoints := manyEndpoints(20, p.weights...)
				for i := range endpoints {
					endpoints[i].Priority = uint32(3 + 4*(i/10)) // gaps do not matter
				}
				b := balanced(t, Config{Endpoints: endpoints, Algorithm: p.algorithm})
				for i := range c.out {
					b.Host(endpoints[i].Addr).Eject()
				}
				b.settle()
				const n = 10_000
				first := 0
				for addr, count := range spreadOf(t, b, n) {
					if b.Host(addr).Endpoint().Priority == 3 {
						first += count
					}
				}
				require.InDelta(t, n/100*c.first, first, 250)
				levels := b.Stats().Levels
				require.Equal(t, []int{c.first, 100 - c.first}, []int{levels[0].Share, levels[1].Share})
				require.Equal(t, 10-c.out, levels[0].Usable)
			})
		}
	}
}

func TestAHostKeepsItsStateAsLongAsItsAddressStays(t *testing.T) {
	var added, removed []string
	b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:80", "10.0.0.2:80"), Changed: func(plus, minus []*Host) {
		for _, h := range plus {
			added = append(added, h.Addr())
		}
		for _, h := range minus {
			removed = append(removed, h.Addr())
		}
	}})
	require.Equal(t, []string{"10.0.0.1:80", "10.0.0.2:80"}, added)
	kept, gone := b.Host("10.0.0.1:80"), b.Host("10.0.0.2:80")
	kept.Eject()
	require.Equal(t, "connections", kept.Attach("upstream", "connections"))

	added = nil
	require.NoError(t, b.SetEndpoints([]Endpoint{{Addr: "10.0.0.3:80"}, {Addr: "10.0.0.1:80", Weight: 7}}))
	require.Equal(t, []string{"10.0.0.3:80"}, added)
	require.Equal(t, []string{"10.0.0.2:80"}, removed)
	require.Same(t, kept, b.Host("10.0.0.1:80"))
	require.True(t, kept.Ejected())
	require.EqualValues(t, 7, kept.Weight())
	require.Equal(t, "connections", kept.Attach("upstream", "others"), "what is there stays")
	require.Equal(t, "connections", kept.Attached("upstream"))
	require.Nil(t, kept.Attached("someone else"))
	require.True(t, gone.Removed())
	require.False(t, kept.Removed())

	gone.Eject() // has no effect any more, and does no harm
	require.NoError(t, b.SetEndpoints(Addrs("10.0.0.2:80")))
	require.NotSame(t, gone, b.Host("10.0.0.2:80"), "an address that comes back starts anew")
	require.False(t, b.Host("10.0.0.2:80").Ejected())
}

func TestWithoutEndpointsRequestsAreRefusedUntilThereAreSome(t *testing.T) {
	b := balanced(t, Config{})
	_, err := b.Pick(Query{})
	require.ErrorContains(t, err, "no endpoint is known")
	require.NoError(t, b.SetEndpoints(Addrs("10.0.0.1:80")))
	require.Len(t, spreadOf(t, b, 3), 1)
	require.NoError(t, b.SetEndpoints(nil))
	_, err = b.Pick(Query{})
	require.Error(t, err)
}

// picky makes no picker with more than some hosts.
type picky struct{ most int }

func (a picky) Picker(hosts []*Host) (Picker, error) {
	if len(hosts) > a.most {
		return nil, errors.New("too many hosts")
	}
	return Random{}.Picker(hosts)
}

func TestAChangeThatFailsChangesNothing(t *testing.T) {
	_, err := New(Config{Endpoints: manyEndpoints(3), Algorithm: picky{2}})
	require.ErrorContains(t, err, "Algorithm: too many hosts")
	b := balanced(t, Config{Endpoints: []Endpoint{{Addr: "10.0.0.1:80", Weight: 2}, {Addr: "10.0.0.2:80"}}, Algorithm: picky{2}})
	err = b.SetEndpoints([]Endpoint{{Addr: "10.0.0.1:80", Weight: 9}, {Addr: "10.0.0.2:80"}, {Addr: "10.0.0.3:80"}})
	require.ErrorContains(t, err, "too many hosts")
	err = b.SetEndpoints([]Endpoint{{Addr: "10.0.0.3:80"}, {Addr: "nowhere"}, {Addr: "10.0.0.3:80"}})
	require.ErrorContains(t, err, "nowhere")
	require.ErrorContains(t, err, "Endpoints[2].Addr: is that of Endpoints[0], too")
	require.Error(t, b.Update(Config{Panic: mesh.Percent(101), Endpoints: Addrs("10.0.0.9:80")}))
	require.Len(t, spreadOf(t, b, 100), 2)
	require.EqualValues(t, 2, b.Host("10.0.0.1:80").Weight())
	require.Nil(t, b.Host("10.0.0.3:80"))
}

func TestUpdateKeepsEndpointsThatItDoesNotName(t *testing.T) {
	b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:80", "10.0.0.2:80"), Algorithm: RoundRobin{}})
	h := b.Host("10.0.0.1:80")
	require.NoError(t, b.Update(Config{Algorithm: RingHash{}}))
	require.Same(t, h, b.Host("10.0.0.1:80"))
	require.NoError(t, b.Update(Config{Endpoints: []Endpoint{}}))
	require.Nil(t, b.Host("10.0.0.1:80"))
}

func TestAllThatIsWrongIsReportedAtOnce(t *testing.T) {
	_, err := New(Config{
		Endpoints: []Endpoint{
			{Addr: "10.0.0.1"},
			{Addr: "10.0.0.1:80", Weight: 1 << 31},
			{Addr: "10.0.0.2:80", Weight: 1 << 31},
			{Addr: "10.0.0.1:80"},
		},
		Algorithm: LeastRequest{Choices: 1},
		Hash:      []HashSource{{Header: "x-user"}, {}},
		Placement: []Placement{
			nil,
			Subset{},
			Nearest{Failover: []Failover{{From: "us/a", To: "us/a"}}, By: []string{"=x"}},
			Distribute{Rules: []Distribution{{From: "us/*/a", To: map[string]uint32{"eu//": 0}}}},
		},
		Warmup:  Warmup{For: -1, Aggression: -1},
		Panic:   mesh.Percent(200),
		NoPanic: true,
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{
		"lb.Hash[1]", "lb.Algorithm.Choices", "lb.Hash", "lb.Placement[0]", "lb.Placement[1].Size", "lb.Placement[1].Client",
		"lb.Placement[2].Failover[0].From", "lb.Placement[2].Failover[0].To", "lb.Placement[2].Failover[0]", "lb.Placement[2].By[0]",
		"lb.Placement[3].Rules[0].From", "lb.Placement[3].Rules[0].To", "lb.Placement[3].Rules[0].To",
		"lb.Warmup.For", "lb.Warmup.Aggression", "lb.Panic", "lb.NoPanic",
		"lb.Endpoints[0].Addr", "lb.Endpoints[2].Weight", "lb.Endpoints[3].Addr",
	}, fields)

	_, err = New(Config{Algorithm: Random{}, Warmup: Warmup{For: 1}, LocalityWeighted: true, Endpoints: []Endpoint{
		{Addr: "10.0.0.1:80", LocalityWeight: 1}, {Addr: "10.0.0.2:80", LocalityWeight: 2},
	}})
	require.ErrorContains(t, err, "Warmup: has no effect")
	require.ErrorContains(t, err, "Endpoints[1].LocalityWeight: must be that of the others")

	_, err = New(Config{Algorithm: PeakEWMA{Decay: -1, Seed: -1}})
	require.ErrorContains(t, err, "Algorithm.Decay")
	require.ErrorContains(t, err, "Algorithm.Seed")
}

func TestStatsAddUp(t *testing.T) {
	b := balanced(t, Config{Endpoints: manyEndpoints(5, 1, 2), Algorithm: RoundRobin{}})
	var leases []Lease
	for range 700 {
		lease, err := b.Pick(Query{})
		require.NoError(t, err)
		leases = append(leases, lease)
	}
	for i, lease := range leases[:650] {
		lease.Done(mesh.Outcome{Kind: mesh.Kind(i % 4)})
	}
	var requests, failures, active int
	for _, h := range b.Stats().Hosts {
		requests += int(h.Requests)
		failures += int(h.Failures)
		active += h.Active
		require.True(t, h.Healthy)
	}
	require.Equal(t, 700, requests)
	require.Equal(t, 163, failures, "every fourth from the second on")
	require.Equal(t, 50, active)
	require.Equal(t, []float64{1, 2, 1, 2, 1}, []float64{
		b.Stats().Hosts[0].Weight, b.Stats().Hosts[1].Weight, b.Stats().Hosts[2].Weight, b.Stats().Hosts[3].Weight, b.Stats().Hosts[4].Weight,
	})
}
