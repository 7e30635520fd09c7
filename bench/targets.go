package main

import (
	"math"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// A target bounds the figure of one benchmark by that of another in the same run.
type target struct {
	ID      string
	Ours    string
	Against string  // empty: the allocations of Ours are bounded
	Must    float64 // at most
	Goal    float64 // what can be reached; zero is as Must
	Of      quantity
}

// A quantity is what of two benchmarks is compared.
type quantity string

// The quantities. Those but CPU time are of whole systems.
const (
	ofCPU     quantity = ""
	ofRPS     quantity = "throughput" // Must and Goal are the least
	ofLatency quantity = "median latency"
)

// sign is how a figure has to stand to Must.
func (t target) sign() string {
	if t.Of == ofRPS {
		return ">="
	}
	return "<="
}

func (q quantity) of() func(macro.Round) float64 {
	switch q {
	case ofRPS:
		return macro.RPS
	case ofLatency:
		return macro.Latency
	}
	return macro.CPU
}

// cpuTarget bounds CPU time by that of another benchmark.
func cpuTarget(id, ours, against string, must, goal float64) target {
	return target{ID: id, Ours: ours, Against: against, Must: must, Goal: goal}
}

// allocTarget bounds allocations in all, those of the stub included.
func allocTarget(id, ours string, must, goal float64) target {
	return target{ID: id, Ours: ours, Must: must, Goal: goal}
}

var allTargets = []target{
	cpuTarget("full-vs-failsafe", "Chain/ours-full", "Chain/failsafe-retry-breaker-timeout", 0.65, 0.5),
	cpuTarget("full-vs-failsafe-server", "ChainCancelable/ours-full", "ChainCancelable/failsafe-retry-breaker-timeout", 0.35, 0.28),
	cpuTarget("full-vs-floor", "Chain/ours-full", "Chain/floor-timeout", 1.6, 1.25),
	allocTarget("full-allocs", "Chain/ours-full", 10, 8),
	cpuTarget("notimeout-vs-failsafe", "Chain/ours-full-no-timeout", "Chain/failsafe-retry-breaker", 0.5, 0.35),
	allocTarget("notimeout-allocs", "Chain/ours-full-no-timeout", 4, 3),
	cpuTarget("full-vs-clone", "Chain/ours-full-no-timeout", "Chain/request-clone", 0.75, 0.5),
	cpuTarget("istio-vs-hand", "Chain/ours-istio", "Chain/ours-full", 1.1, 1.0),
	cpuTarget("istio-scale", "Istio/ours/n=10000", "Istio/ours/n=10", 1.3, 1.1),
	cpuTarget("layer-match", "Chain/ours-match", "Chain/bare", 2.5, 0),
	allocTarget("layer-match-allocs", "Chain/ours-match", 1, 0),
	cpuTarget("layer-fault0", "Chain/ours-fault", "Chain/bare", 1.6, 0),
	allocTarget("layer-fault0-allocs", "Chain/ours-fault", 1, 0),
	cpuTarget("layer-mirror0", "Chain/ours-mirror", "Chain/bare", 1.6, 0),
	allocTarget("layer-mirror0-allocs", "Chain/ours-mirror", 1, 0),
	cpuTarget("layer-retry", "Chain/ours-retry", "Chain/failsafe-retry", 0.4, 0.25),
	cpuTarget("retry-once", "RetryOnce/ours-full-no-timeout", "RetryOnce/failsafe-retry-breaker", 0.6, 0.35),
	cpuTarget("layer-timeout", "Chain/ours-timeout", "Chain/context-timeout", 1.2, 1.0),
	cpuTarget("observed", "Chain/ours-observed", "Chain/context-timeout", 1.2, 0.8),
	cpuTarget("layer-breaker", "Breaker/ours", "Breaker/gobreaker", 1.3, 0.7),
	cpuTarget("breaker-par", "BreakerPar/ours-2", "BreakerPar/gobreaker-2", 1.3, 0.7),
	cpuTarget("limiter", "Limiter/ours", "Limiter/x-time-rate", 1.3, 0.7),
	cpuTarget("server-stack", "Server/ours-full", "Server/timeouthandler", 0.6, 0.4),
	cpuTarget("route-header-scale", "Route/ours-header/n=10000", "Route/ours-header/n=10", 2.0, 1.3),
	cpuTarget("route-header-10", "Route/ours-header/n=10", "Route/floor-walk/n=10", 2.5, 1.0),
	cpuTarget("route-path-10", "Route/ours-path/n=10", "Route/servemux/n=10", 1.2, 0.6),
	cpuTarget("route-path-10000", "Route/ours-path/n=10000", "Route/servemux/n=10000", 1.2, 0.6),
	allocTarget("route-allocs (header)", "Route/ours-header/n=10000", 0, 0),
	allocTarget("route-allocs (path)", "Route/ours-path/n=10000", 0, 0),
	cpuTarget("route-build", "Build/ours-header/n=10000", "Build/servemux/n=10000", 1.0, 0.2),
	cpuTarget("split-2", "Split/ours/n=2", "Split/floor-search/n=2", 2.0, 1.0),
	cpuTarget("split-scale", "Split/ours/n=1000", "Split/floor-search/n=1000", 1.5, 0.3),
	cpuTarget("pick-rr", "Pick/ours-rr/n=100", "Pick/floor-rr/n=100", 2.0, 1.2),
	cpuTarget("pick-p2c", "Pick/ours-p2c/n=100", "Pick/grpc-p2c/n=100", 0.5, 0.25),
	allocTarget("pick-p2c-allocs", "Pick/ours-p2c/n=100", 0, 0),
	cpuTarget("pick-p2c-par", "PickPar/ours-p2c/n=100-2", "PickPar/grpc-p2c/n=100-2", 0.7, 0.25),
	cpuTarget("pick-p2c-scale", "Pick/ours-p2c/n=10000", "Pick/ours-p2c/n=10", 1.5, 1.1),
	cpuTarget("pick-ring", "Pick/ours-ring/n=100", "Pick/grpc-ring/n=100", 1.0, 0.4),
	cpuTarget("pick-ring-header", "Pick/ours-ring-header/n=100", "Pick/grpc-ring-header/n=100", 0.4, 0.15),
	cpuTarget("pick-maglev", "Pick/ours-maglev/n=100", "Pick/floor-table/n=100", 2.0, 1.2),
	cpuTarget("ring-build", "Build/ours-ring/n=1000", "Build/floor-ring/n=1000", 0.8, 0.3),
	cpuTarget("macro-cpu-sidecar", "Macro/ours", "Macro/envoy", 0.6, 0.45),
	cpuTarget("macro-cpu-two", "Macro/ours", "Macro/envoy-two", 0.35, 0.26),
	{"macro-rps-sidecar", "Macro/ours", "Macro/envoy", 1.8, 2.2, ofRPS},
	{"macro-rps-two", "Macro/ours", "Macro/envoy-two", 3.0, 3.8, ofRPS},
	{"macro-latency-sidecar", "Macro/ours", "Macro/envoy", 0.5, 0.37, ofLatency},
	{"macro-latency-direct", "Macro/ours", "Macro/direct", 1.25, 1.05, ofLatency},
	cpuTarget("macro-cpu-direct", "Macro/ours", "Macro/direct", 1.2, 1.12),
	cpuTarget("macro-vs-failsafe", "Macro/ours", "Macro/failsafe", 1.1, 1.0),
}

// A verdict is a target held against a run.
type verdict struct {
	target
	Ratio  float64 `json:"ratio"` // or the allocations; zero where a side is absent
	Result string  `json:"result"`
}

// The results of a target.
const (
	pass   = "PASS"
	fail   = "FAIL"
	absent = "ABSENT" // a side is missing, so that nothing is known
)

func (t target) judge(run *run) verdict {
	v := verdict{target: t, Result: absent}
	switch {
	case t.Against == "":
		r := run.micro[t.Ours]
		if r == nil {
			return v
		}
		v.Ratio = float64(r.Allocs)
	case kindOf(t.Ours) == "Macro":
		ours, against := run.macro[t.Ours], run.macro[t.Against]
		if ours == nil || against == nil || t.Of != ofCPU && !run.long {
			return v
		}
		if v.Ratio = ours.Ratio(against, t.Of.of()); v.Ratio == 0 {
			return v
		}
	default:
		ours, against := run.micro[t.Ours], run.micro[t.Against]
		if ours == nil || against == nil {
			return v
		}
		v.Ratio = ours.CPU / against.CPU
	}
	// As it is printed, so that a reader comes to the same verdict.
	printed := math.Round(v.Ratio*100) / 100
	v.Result = fail
	if printed <= t.Must && t.Of != ofRPS || printed >= t.Must && t.Of == ofRPS {
		v.Result = pass
	}
	return v
}

// A run is what was measured, by name.
type run struct {
	micro map[string]*result
	macro map[string]*macro.Result
	long  bool // time that has passed on the clock counts, too
}
