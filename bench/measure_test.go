package main

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/sidecarless/mesh/bench/internal/macro"
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
	measured := &run{
		micro: map[string]*result{"a": {CPU: 50, Allocs: 3}, "b": {CPU: 100}},
		macro: map[string]*macro.Result{
			"Macro/a": {Rounds: []macro.Round{{CPU: 30, RPS: 300}, {CPU: 90, RPS: 200}, {CPU: 50, RPS: 100}}},
			"Macro/b": {Rounds: []macro.Round{{CPU: 60, RPS: 100}, {CPU: 90, RPS: 100}, {CPU: 50, RPS: 100}}},
		},
		long: true,
	}
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
		{target{Ours: "Macro/a", Against: "Macro/b", Must: 1}, pass},
		{target{Ours: "Macro/a", Against: "Macro/b", Must: 0.99}, fail},
		{target{Ours: "Macro/a", Against: "Macro/b", Must: 2, Of: ofRPS}, pass},
		{target{Ours: "Macro/a", Against: "Macro/b", Must: 2.01, Of: ofRPS}, fail},
		{target{Ours: "Macro/a", Against: "Macro/b", Must: 2, Of: ofLatency}, absent}, // was not looked at
		{target{Ours: "Macro/a", Against: "Macro/missing", Must: 2}, absent},
	} {
		if got := tt.target.judge(measured).Result; got != tt.want {
			t.Errorf("%+v: %s, not %s", tt.target, got, tt.want)
		}
	}
	measured.long = false
	if got := (target{Ours: "Macro/a", Against: "Macro/b", Must: 1, Of: ofRPS}).judge(measured).Result; got != absent {
		t.Errorf("throughput in a short run: %s", got)
	}
}

// Whatever a target compares is measured.
func TestTargetsNameBenchmarks(t *testing.T) {
	names := macro.Names()
	for _, b := range benchmarks(regexp.MustCompile("")) {
		names = append(names, b.name)
	}
	for _, target := range allTargets {
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
