package main

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// Figures of several runs and machines are compared by these names.
func TestOurBenchmarksHaveTheirNames(t *testing.T) {
	want := []string{"RetryOnce/ours-full-no-timeout", "Server/ours-full", "Breaker/ours", "Limiter/ours", "BreakerPar/ours-2", "PickPar/ours-p2c/n=100-2"}
	for _, layer := range []string{
		"match", "route", "split", "fault", "timeout", "retry", "breaker", "lb", "mirror", "full", "full-no-timeout", "istio",
	} {
		want = append(want, "Chain/ours-"+layer, "ChainCancelable/ours-"+layer, "ChainPar/ours-"+layer+"-2")
	}
	for _, n := range []int{10, 100, 1000, 10_000} {
		for _, name := range []string{
			"Route/ours-path", "Route/ours-header", "Route/ours-host", "Pick/ours-rr", "Pick/ours-p2c", "Pick/ours-ring", "Pick/ours-ring-header", "Pick/ours-maglev",
		} {
			want = append(want, fmt.Sprintf("%s/n=%d", name, n))
		}
	}
	for _, n := range []int{2, 10, 100, 1000} {
		want = append(want, fmt.Sprintf("Split/ours/n=%d", n))
	}
	for _, n := range []int{100, 1000} {
		want = append(want, fmt.Sprintf("Build/ours-header/n=%d", n), fmt.Sprintf("Build/ours-path/n=%d", n), fmt.Sprintf("Build/ours-ring/n=%d", n))
	}
	var names []string
	for _, b := range benchmarks(regexp.MustCompile("")) {
		names = append(names, b.name)
	}
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("there is no benchmark %s", name)
		}
	}
}
