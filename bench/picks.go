package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

var pickSizes = []int{10, 100, 1000, 10_000}

func addr(i int) string { return fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255) }

func endpoints(n int) []lb.Endpoint {
	all := make([]lb.Endpoint, n)
	for i := range all {
		all[i].Addr = addr(i)
	}
	return all
}

// pointsOf is the size of a ring: gRPC's largest, which is what its default comes
// to, and at least as many points for each endpoint where there are more.
func pointsOf(n int) int { return max(4096, 16*n) }

// A ring of this many points for each endpoint is built in Build.
const pointsEach = 160

func algorithms(n int) map[string]lb.Algorithm {
	return map[string]lb.Algorithm{
		"rr":     lb.RoundRobin{},
		"p2c":    lb.LeastRequest{},
		"ring":   lb.RingHash{MinSize: pointsOf(n)},
		"maglev": lb.Maglev{TableSize: tableSize(n)},
	}
}

// tableSize is the default, and for ten thousand endpoints a prime that gives each
// some slots.
func tableSize(n int) int {
	if n > 1000 {
		return 655_373
	}
	return 0
}

// picks are the benchmarks of choosing an endpoint and letting go of it.
func picks() []benchmark {
	var list []benchmark
	for _, n := range pickSizes {
		size := fmt.Sprintf("/n=%d", n)
		for name, algorithm := range algorithms(n) {
			list = append(list, benchmark{name: "Pick/ours-" + name + size, setup: pick(n, algorithm)})
		}
		list = append(list,
			benchmark{name: "Pick/ours-ring-header" + size, setup: pickByHeader(n)},
			benchmark{name: "Pick/floor-rr" + size, setup: floorPick(n, func(hosts []*counted) func() *counted {
				var next atomic.Uint64
				return func() *counted { return hosts[next.Add(1)%uint64(len(hosts))] }
			})},
			benchmark{name: "Pick/floor-p2c" + size, setup: floorPick(n, func(hosts []*counted) func() *counted {
				return func() *counted {
					draw, n := rand.Uint64(), uint64(len(hosts))
					a, b := hosts[(draw>>32)*n>>32], hosts[(draw&0xffffffff)*n>>32]
					if b.active.Load() < a.active.Load() {
						return b
					}
					return a
				}
			})},
			benchmark{name: "Pick/floor-table" + size, setup: floorPick(n, func(hosts []*counted) func() *counted {
				table := make([]*counted, 65_537)
				for i := range table {
					table[i] = hosts[i%len(hosts)]
				}
				hash := uint64(1)
				return func() *counted {
					hash = nextHash(hash)
					return table[hash%uint64(len(table))]
				}
			})},
		)
		for name, algorithm := range map[string]lb.Algorithm{
			"ring": lb.RingHash{MinSize: pointsEach * n}, "maglev": lb.Maglev{TableSize: tableSize(n)},
		} {
			if n > 1000 || n == 10 {
				continue
			}
			list = append(list, benchmark{name: "Build/ours-" + name + size, setup: op(func() func() {
				all := endpoints(n)
				return func() { made(lb.New(lb.Config{Endpoints: all, Algorithm: algorithm})) }
			})})
		}
	}
	list = append(list,
		benchmark{name: "PickPar/ours-p2c/n=100-2", cpus: 2, setup: pick(100, lb.LeastRequest{})},
		benchmark{name: "PickPar/ours-rr/n=100-2", cpus: 2, setup: pick(100, lb.RoundRobin{})},
		benchmark{name: "Build/floor-ring/n=1000", setup: op(func() func() { return func() { naiveRing(1000) } })},
	)
	return list
}

func pick(n int, algorithm lb.Algorithm) func() func() loop {
	return func() func() loop {
		b := made(lb.New(lb.Config{Endpoints: endpoints(n), Algorithm: algorithm}))
		_, hashes := algorithm.(lb.Consistent)
		return func() loop {
			return func(n int) {
				hash := uint64(1)
				for range n {
					hash = nextHash(hash)
					lease, err := b.Pick(lb.Query{Hash: hash, Hashed: hashes})
					if err != nil {
						panic(err)
					}
					lease.Done(mesh.Outcome{})
				}
			}
		}
	}
}

// nextHash goes through hashes at random, at next to no cost.
func nextHash(hash uint64) uint64 { return hash*6364136223846793005 + 1442695040888963407 }

func pickByHeader(n int) func() func() loop {
	return func() func() loop {
		b := made(lb.New(lb.Config{Endpoints: endpoints(n), Algorithm: lb.RingHash{MinSize: pointsOf(n)}}))
		hasher := made(lb.NewHasher(lb.HashSource{Header: "X-User"}))
		all := spread(n, func(r *http.Request, i int) { r.Header.Set("X-User", "user-"+strconv.Itoa(i)) })
		return func() loop {
			return func(n int) {
				for i := range n {
					hash, ok, _ := hasher.Hash(all[i%targets], 0)
					lease, err := b.Pick(lb.Query{Hash: hash, Hashed: ok})
					if err != nil {
						panic(err)
					}
					lease.Done(mesh.Outcome{})
				}
			}
		}
	}
}

// A counted is an endpoint that knows its requests, on a cache line of its own.
type counted struct {
	active atomic.Int64
	_      [56]byte
}

func floorPick(n int, of func([]*counted) func() *counted) func() func() loop {
	return op(func() func() {
		hosts := make([]*counted, n)
		for i := range hosts {
			hosts[i] = new(counted)
		}
		next := of(hosts)
		return func() {
			h := next()
			h.active.Add(1)
			h.active.Add(-1)
		}
	})
}

type point struct {
	hash uint64
	host int
}

// naiveRing is how a ring is usually built: format, hash, sort.
func naiveRing(n int) []point {
	var ring []point
	for i := range n {
		for p := range pointsEach {
			ring = append(ring, point{xxhash.Sum64String(fmt.Sprintf("%s_%d", addr(i), p)), i})
		}
	}
	slices.SortFunc(ring, func(a, b point) int { return cmp.Compare(a.hash, b.hash) })
	return ring
}
