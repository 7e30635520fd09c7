package main

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"

	"github.com/sidecarless/mesh/split"
)

// weightOf are weights that differ.
func weightOf(i int) uint32 { return uint32(1 + i%7) }

// splits are the benchmarks of drawing one of several branches.
func splits() []benchmark {
	var list []benchmark
	for _, n := range []int{2, 10, 100, 1000} {
		size := fmt.Sprintf("/n=%d", n)
		list = append(list,
			benchmark{name: "Split/ours" + size, setup: op(func() func() {
				branches := make([]split.Branch[int], n)
				for i := range branches {
					branches[i] = split.Branch[int]{Name: strconv.Itoa(i), Weight: weightOf(i), Value: i}
				}
				s := made(split.New(branches...))
				return func() { s.Pick(rand.Uint64()) }
			})},
			benchmark{name: "Split/floor-search" + size, setup: op(func() func() {
				sums, sum := make([]uint64, n), uint64(0)
				for i := range sums {
					sum += uint64(weightOf(i))
					sums[i] = sum
				}
				return func() {
					x := rand.Uint64N(sum)
					sort.Search(n, func(i int) bool { return sums[i] > x })
				}
			})},
		)
	}
	return list
}
