package meshtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

// TestAlgorithm holds a load balancing policy against the contract of
// [lb.Algorithm], [lb.Picker] and, where it has their methods, [lb.Consistent] and
// [lb.Observer], alone and inside of a balancer. Which of the hosts it prefers is
// its own affair. Each case is a subtest.
func TestAlgorithm(t *testing.T, a lb.Algorithm) {
	t.Helper()
	for _, c := range algorithmContract {
		t.Run(c.name, func(t *testing.T) {
			k := &algorithmCheck{violations: violations{patience: patience}, a: a}
			k.run(hangs, func() { c.check(k) })
			k.report(t)
		})
	}
}

// An algorithmCheck is one case at work.
type algorithmCheck struct {
	violations
	a lb.Algorithm
}

// algorithmContract is what [TestAlgorithm] checks, case by case.
var algorithmContract = []struct {
	name  string
	check func(*algorithmCheck)
}{
	{"a pick is always one of the hosts", picksOwn},
	{"the hosts are left as they are", hostsUntouched},
	{"a pick does not allocate", picksFree},
	{"many goroutines may pick", picksAtOnce},
	{"a picker keeps its hosts when another is made", pickersApart},
	{"equal hashes find equal hosts", hashesAgree},
	{"a rebuilt picker has the hosts that it is given", rebuilds},
	{"every end of an attempt can be observed", observes},
	{"a balancer never picks what is ejected or removed", insideBalancer},
}

// hosts makes n hosts of which the weights differ if weighted.
func hosts(n int, weighted bool) []*lb.Host {
	all := make([]*lb.Host, n)
	for i := range all {
		e := lb.Endpoint{Addr: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)}
		if weighted {
			e.Weight = uint32(i%5 + 1)
		}
		all[i] = lb.NewHost(e)
	}
	return all
}

// queries are requests of all kinds; each call makes them anew.
func queries(n int, hosts []*lb.Host) []lb.Query {
	draws := rand.New(rand.NewPCG(1, 2))
	all := make([]lb.Query, n)
	for i := range all {
		q := lb.Query{Draw: draws.Uint64(), Now: time.Now().UnixNano(), Attempt: i % 7}
		if i%2 == 0 {
			q.Hash, q.Hashed = draws.Uint64(), true
		}
		switch i % 3 {
		case 1:
			q.Tried = hosts[:1]
		case 2:
			q.Tried = hosts
		}
		all[i] = q
	}
	return all
}

// picker makes a picker, which must not fail for any set of hosts.
func (k *algorithmCheck) picker(hosts []*lb.Host) lb.Picker {
	p, err := k.a.Picker(hosts)
	if err != nil || p == nil {
		k.failf("Picker of %d hosts returns %v, %v", len(hosts), p, err)
		return nil
	}
	return p
}

func picksOwn(k *algorithmCheck) {
	for _, n := range []int{1, 2, 3, 10, 1000} {
		for _, weighted := range []bool{false, true} {
			set := hosts(n, weighted)
			if p := k.picker(set); p != nil {
				k.picksFrom(p, set, fmt.Sprintf("%d hosts", n))
			}
		}
	}
	if p := k.picker(hosts(3, false)); p != nil && p.Pick(lb.Query{}) == nil {
		k.failf("a query about which nothing is known gets no host")
	}
}

// picksFrom reports a pick from outside of a set.
func (k *algorithmCheck) picksFrom(p lb.Picker, set []*lb.Host, of string) {
	for _, q := range queries(500, set) {
		switch h := p.Pick(q); {
		case h == nil:
			k.failf("%s: a pick returns nil for %+v", of, q)
			return
		case !slices.Contains(set, h):
			k.failf("%s: a pick returns %s, which is none of them", of, h.Addr())
			return
		}
	}
}

func hostsUntouched(k *algorithmCheck) {
	set := hosts(10, true)
	before := slices.Clone(set)
	p := k.picker(set)
	if p == nil {
		return
	}
	for _, q := range queries(500, set) {
		p.Pick(q)
	}
	if !slices.Equal(before, set) {
		k.failf("the hosts are in another order")
	}
	for _, h := range set {
		if h.Active() != 0 || h.Requests() != 0 || h.Ejected() || !h.Healthy() {
			k.failf("%s was changed: %d requests under way of %d, ejected %v, healthy %v", h.Addr(), h.Active(), h.Requests(), h.Ejected(), h.Healthy())
		}
	}
}

func picksFree(k *algorithmCheck) {
	for _, weighted := range []bool{false, true} {
		set := hosts(20, weighted)
		p := k.picker(set)
		if p == nil {
			return
		}
		all := queries(100, set)
		if n := testing.AllocsPerRun(10, func() {
			for _, q := range all {
				p.Pick(q)
			}
		}); n >= 1 {
			k.failf("%d picks allocate %v times", len(all), n)
		}
	}
}

func picksAtOnce(k *algorithmCheck) {
	set := hosts(10, true)
	p := k.picker(set)
	if p == nil {
		return
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { k.picksFrom(p, set, "many goroutines") })
	}
	wg.Go(func() { k.picker(set[:5]) })
	if !k.within(wg.Wait) {
		k.failf("picks wait for each other")
	}
}

func pickersApart(k *algorithmCheck) {
	set := hosts(6, false)
	older, newer := slices.Clone(set[:4]), slices.Clone(set[2:])
	p, q := k.picker(older), k.picker(newer)
	if p == nil || q == nil {
		return
	}
	k.picksFrom(p, set[:4], "an older picker")
	k.picksFrom(q, set[2:], "a newer picker")
}

func hashesAgree(k *algorithmCheck) {
	if _, ok := k.a.(lb.Consistent); !ok {
		return
	}
	set := hosts(10, false)
	p, other := k.picker(set), k.picker(set)
	if p == nil || other == nil {
		return
	}
	for _, q := range queries(500, set) {
		if !q.Hashed {
			continue
		}
		q.Tried = nil
		h := p.Pick(q)
		q.Draw++
		if again := p.Pick(q); again != h {
			k.failf("the hash %x finds %s and then %s", q.Hash, h.Addr(), again.Addr())
			return
		}
		if elsewhere := other.Pick(q); elsewhere != h {
			k.failf("the hash %x finds %s in one process and %s in another", q.Hash, h.Addr(), elsewhere.Addr())
			return
		}
	}
}

func rebuilds(k *algorithmCheck) {
	a, ok := k.a.(lb.Consistent)
	if !ok {
		return
	}
	var prev lb.Picker
	for _, n := range []int{3, 10, 1, 5} {
		set := hosts(n, false)
		shares := make([]float64, n)
		for i := range shares {
			shares[i] = 1 / float64(n)
		}
		p, err := a.Rebuild(prev, set, shares)
		if err != nil || p == nil {
			k.failf("Rebuild of %d hosts returns %v, %v", n, p, err)
			return
		}
		k.picksFrom(p, set, fmt.Sprintf("rebuilt for %d hosts", n))
		prev = p
	}
}

func observes(k *algorithmCheck) {
	o, ok := k.a.(lb.Observer)
	if !ok {
		return
	}
	set := hosts(3, false)
	p := k.picker(set)
	if p == nil {
		return
	}
	for _, kind := range []mesh.Kind{mesh.Success, mesh.Failure, mesh.Neutral, mesh.Local} {
		for _, latency := range []time.Duration{0, time.Microsecond, time.Hour} {
			for _, h := range set {
				o.Observe(h, mesh.Outcome{Kind: kind, Status: 200, Latency: latency})
			}
			k.picksFrom(p, set, "after "+kind.String())
		}
	}
}

func insideBalancer(k *algorithmCheck) {
	b, err := lb.New(lb.Config{Algorithm: k.a, Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")})
	if err != nil {
		k.failf("a balancer cannot be made with it: %v", err)
		return
	}
	never := func(addr, because string) {
		for i := range 300 {
			lease, err := b.Pick(lb.Query{Hash: rand.Uint64(), Hashed: i%2 == 0})
			if err != nil {
				k.failf("the balancer finds no host: %v", err)
				return
			}
			if lease.Host().Addr() == addr {
				k.failf("the balancer picks a host that is %s", because)
			}
			lease.Done(mesh.Outcome{Status: 200, Latency: time.Millisecond})
		}
	}
	never("", "")
	b.Host("10.0.0.2:80").Eject()
	never("10.0.0.2:80", "ejected")
	if err := b.SetEndpoints(lb.Addrs("10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80")); err != nil {
		k.failf("the endpoints cannot be changed: %v", err)
		return
	}
	b.Host("10.0.0.2:80").Restore()
	never("10.0.0.1:80", "removed")
}
