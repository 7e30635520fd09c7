package lb

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/sidecarless/mesh"
)

// manyEndpoints are n endpoints with the weights in turn, 1 if none are given.
func manyEndpoints(n int, weights ...uint32) []Endpoint {
	endpoints := make([]Endpoint, n)
	for i := range endpoints {
		endpoints[i].Addr = fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255)
		if len(weights) > 0 {
			endpoints[i].Weight = weights[i%len(weights)]
		}
	}
	return endpoints
}

// balanced is a balancer whose draws are the same in every run of a test.
func balanced(t testing.TB, c Config) *Balancer {
	t.Helper()
	if _, bench := t.(*testing.B); c.Rand == nil && !bench {
		var n atomic.Uint64
		c.Rand = func() uint64 { return rand.NewPCG(1, n.Add(1)).Uint64() }
	}
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var policies = []struct {
	name      string
	algorithm Algorithm
	weights   []uint32
}{
	{"random", Random{}, nil},
	{"rr", RoundRobin{}, nil},
	{"rr-weighted", RoundRobin{}, []uint32{1, 2, 3}},
	{"p2c", LeastRequest{}, nil},
	{"p2c-weighted", LeastRequest{}, []uint32{1, 2, 3}},
	{"ewma", PeakEWMA{}, nil},
	{"ring", RingHash{}, nil},
	{"maglev", Maglev{TableSize: 10_007}, nil},
}

// BenchmarkPick picks a host and lets go of it.
func BenchmarkPick(b *testing.B) {
	b.Run("floor-counter", func(b *testing.B) {
		var next, active atomic.Int64
		list := make([]*Host, 100)
		for b.Loop() {
			_ = list[uint64(next.Add(1))%uint64(len(list))]
			active.Add(1)
			active.Add(-1)
		}
	})
	for _, p := range policies {
		for _, n := range []int{10, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/n=%d", p.name, n), func(b *testing.B) {
				balancer := balanced(b, Config{Endpoints: manyEndpoints(n, p.weights...), Algorithm: p.algorithm})
				b.ReportAllocs()
				for b.Loop() {
					lease, err := balancer.Pick(Query{})
					if err != nil {
						b.Fatal(err)
					}
					lease.Done(mesh.Outcome{})
				}
			})
		}
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for _, p := range policies {
		b.Run(fmt.Sprintf("%s/n=100", p.name), func(b *testing.B) {
			balancer := balanced(b, Config{Endpoints: manyEndpoints(100, p.weights...), Algorithm: p.algorithm})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					lease, _ := balancer.Pick(Query{})
					lease.Done(mesh.Outcome{})
				}
			})
		})
	}
}

// BenchmarkEject ejects a host and takes it back.
func BenchmarkEject(b *testing.B) {
	for _, p := range policies {
		for _, n := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("%s/n=%d", p.name, n), func(b *testing.B) {
				balancer := balanced(b, Config{Endpoints: manyEndpoints(n, p.weights...), Algorithm: p.algorithm})
				h := balancer.Host("10.0.0.7:8080")
				b.ReportAllocs()
				for b.Loop() {
					h.Eject()
					balancer.settle()
					h.Restore()
					balancer.settle()
				}
			})
		}
	}
}

// BenchmarkSetEndpoints replaces one endpoint of many.
func BenchmarkSetEndpoints(b *testing.B) {
	for _, p := range policies {
		for _, n := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("%s/n=%d", p.name, n), func(b *testing.B) {
				all := manyEndpoints(n+1, p.weights...)
				balancer := balanced(b, Config{Endpoints: all[:n], Algorithm: p.algorithm})
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := balancer.SetEndpoints(all[i%2 : i%2+n]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
