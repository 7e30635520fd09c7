package main

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

func TestFiguresComeFromQuartiles(t *testing.T) {
	rounds := func() []float64 { return []float64{50, 10, 40, 20, 30} }
	alone, shared := result{rounds: rounds()}, result{rounds: rounds()}
	alone.settle(false)
	shared.settle(true)
	if alone.CPU != 20 || shared.CPU != 30 {
		t.Errorf("got %v and %v, not the lower quartile and the median", alone.CPU, shared.CPU)
	}
	if want := 20.0 / 30; alone.Spread != want {
		t.Errorf("spread %v, not %v", alone.Spread, want)
	}
}

func TestTargetsAreHeldAgainstARun(t *testing.T) {
	run := map[string]*result{"a": {CPU: 50, Allocs: 3}, "b": {CPU: 100}}
	for _, tt := range []struct {
		target target
		want   string
	}{
		{target{Ours: "a", Against: "b", Must: 0.5}, pass},
		{target{Ours: "b", Against: "a", Must: 1.99}, fail},
		{target{Ours: "a", Must: 3}, pass},
		{target{Ours: "a", Must: 2}, fail},
		{target{Ours: "a", Against: "missing", Must: 100}, absent},
		{target{Ours: "missing", Must: 100}, absent},
	} {
		if got := tt.target.judge(run).Result; got != tt.want {
			t.Errorf("%+v: %s, not %s", tt.target, got, tt.want)
		}
	}
}

// Whatever a target compares is measured, but for what needs processes of others.
func TestTargetsNameBenchmarks(t *testing.T) {
	var names []string
	for _, b := range benchmarks(regexp.MustCompile("")) {
		names = append(names, b.name)
	}
	for _, target := range allTargets {
		if kindOf(target.Ours) == "Macro" {
			continue
		}
		for _, name := range []string{target.Ours, target.Against} {
			if name != "" && !slices.Contains(names, name) {
				t.Errorf("%s: there is no benchmark %s", target.ID, name)
			}
		}
	}
}

// Every benchmark does its work; what it costs does not matter here.
func TestEveryBenchmarkRuns(t *testing.T) {
	small := regexp.MustCompile(`^[A-Z][^/]*/[^/]*(/n=(2|10|100)(-2)?)?$`)
	p := plan{rounds: 1, chain: time.Microsecond, other: time.Microsecond}
	for _, r := range p.measure(benchmarks(small), func(string) {}) {
		if r.CPU <= 0 && r.Ops > 1000 {
			t.Errorf("%s took no time", r.Name)
		}
	}
}
