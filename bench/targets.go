package main

import "math"

// A target bounds the figure of one benchmark by that of another in the same run.
type target struct {
	ID      string
	Ours    string
	Against string  // empty: the allocations of Ours are bounded
	Must    float64 // at most
	Goal    float64 // what can be reached; zero is as Must
}

// allocTarget bounds allocations in all, those of the stub included.
func allocTarget(id, ours string, must, goal float64) target {
	return target{ID: id, Ours: ours, Must: must, Goal: goal}
}

var allTargets = []target{
	{"full-vs-failsafe", "Chain/ours-full", "Chain/failsafe-retry-breaker-timeout", 0.65, 0.5},
	{"full-vs-failsafe-server", "ChainCancelable/ours-full", "ChainCancelable/failsafe-retry-breaker-timeout", 0.35, 0.28},
	{"full-vs-floor", "Chain/ours-full", "Chain/floor-timeout", 1.6, 1.25},
	allocTarget("full-allocs", "Chain/ours-full", 10, 8),
	{"notimeout-vs-failsafe", "Chain/ours-full-no-timeout", "Chain/failsafe-retry-breaker", 0.5, 0.35},
	allocTarget("notimeout-allocs", "Chain/ours-full-no-timeout", 4, 3),
	{"full-vs-clone", "Chain/ours-full-no-timeout", "Chain/request-clone", 0.75, 0.5},
	{"istio-vs-hand", "Chain/ours-istio", "Chain/ours-full", 1.1, 1.0},
	{"layer-match", "Chain/ours-match", "Chain/bare", 2.5, 0},
	allocTarget("layer-match-allocs", "Chain/ours-match", 1, 0),
	{"layer-fault0", "Chain/ours-fault", "Chain/bare", 1.6, 0},
	allocTarget("layer-fault0-allocs", "Chain/ours-fault", 1, 0),
	{"layer-mirror0", "Chain/ours-mirror", "Chain/bare", 1.6, 0},
	allocTarget("layer-mirror0-allocs", "Chain/ours-mirror", 1, 0),
	{"layer-retry", "Chain/ours-retry", "Chain/failsafe-retry", 0.4, 0.25},
	{"retry-once", "RetryOnce/ours-full-no-timeout", "RetryOnce/failsafe-retry-breaker", 0.6, 0.35},
	{"layer-timeout", "Chain/ours-timeout", "Chain/context-timeout", 1.2, 1.0},
	{"layer-breaker", "Breaker/ours", "Breaker/gobreaker", 1.3, 0.7},
	{"breaker-par", "BreakerPar/ours-2", "BreakerPar/gobreaker-2", 1.3, 0.7},
	{"limiter", "Limiter/ours", "Limiter/x-time-rate", 1.3, 0.7},
	{"server-stack", "Server/ours-full", "Server/timeouthandler", 0.6, 0.4},
	{"route-header-scale", "Route/ours-header/n=10000", "Route/ours-header/n=10", 2.0, 1.3},
	{"route-header-10", "Route/ours-header/n=10", "Route/floor-walk/n=10", 2.5, 1.0},
	{"route-path-10", "Route/ours-path/n=10", "Route/servemux/n=10", 1.2, 0.6},
	{"route-path-10000", "Route/ours-path/n=10000", "Route/servemux/n=10000", 1.2, 0.6},
	allocTarget("route-allocs (header)", "Route/ours-header/n=10000", 0, 0),
	allocTarget("route-allocs (path)", "Route/ours-path/n=10000", 0, 0),
	{"route-build", "Build/ours-header/n=10000", "Build/servemux/n=10000", 1.0, 0.2},
	{"split-2", "Split/ours/n=2", "Split/floor-search/n=2", 2.0, 1.0},
	{"split-scale", "Split/ours/n=1000", "Split/floor-search/n=1000", 1.5, 0.3},
	{"pick-rr", "Pick/ours-rr/n=100", "Pick/floor-rr/n=100", 2.0, 1.2},
	{"pick-p2c", "Pick/ours-p2c/n=100", "Pick/grpc-p2c/n=100", 0.5, 0.25},
	allocTarget("pick-p2c-allocs", "Pick/ours-p2c/n=100", 0, 0),
	{"pick-p2c-par", "PickPar/ours-p2c/n=100-2", "PickPar/grpc-p2c/n=100-2", 0.7, 0.25},
	{"pick-p2c-scale", "Pick/ours-p2c/n=10000", "Pick/ours-p2c/n=10", 1.5, 1.1},
	{"pick-ring", "Pick/ours-ring/n=100", "Pick/grpc-ring/n=100", 1.0, 0.4},
	{"pick-ring-header", "Pick/ours-ring-header/n=100", "Pick/grpc-ring-header/n=100", 0.4, 0.15},
	{"pick-maglev", "Pick/ours-maglev/n=100", "Pick/floor-table/n=100", 2.0, 1.2},
	{"ring-build", "Build/ours-ring/n=1000", "Build/floor-ring/n=1000", 0.8, 0.3},
	{"macro-cpu-sidecar", "Macro/ours", "Macro/envoy", 0.6, 0.45},
	{"macro-cpu-two", "Macro/ours", "Macro/envoy-two", 0.35, 0.26},
	{"macro-cpu-direct", "Macro/ours", "Macro/direct", 1.2, 1.12},
	{"macro-vs-failsafe", "Macro/ours", "Macro/failsafe", 1.1, 1.0},
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

func (t target) judge(results map[string]*result) verdict {
	v := verdict{target: t, Result: absent}
	ours, against := results[t.Ours], results[t.Against]
	switch {
	case ours == nil, t.Against != "" && against == nil:
		return v
	case t.Against == "":
		v.Ratio = float64(ours.Allocs)
	default:
		v.Ratio = ours.CPU / against.CPU
	}
	// As it is printed, so that a reader comes to the same verdict.
	v.Result = fail
	if math.Round(v.Ratio*100)/100 <= t.Must {
		v.Result = pass
	}
	return v
}
