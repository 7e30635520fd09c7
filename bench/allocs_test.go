package main

import (
	"context"
	"net/http"
	"testing"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

// The stub's answer is one allocation of each request.
const ofStub = 1

func TestAllocationsOfClientStacks(t *testing.T) {
	for name, most := range map[string]float64{
		"ours-match":  ofStub,
		"ours-route":  ofStub,
		"ours-split":  ofStub,
		"ours-fault":  ofStub,
		"ours-mirror": ofStub,
		// The record of the request, which is its copy as well.
		"ours-retry":           ofStub + 1,
		"ours-lb":              ofStub + 1,
		"ours-full-no-timeout": 3,
		// And the context with a deadline.
		"ours-timeout": 8,
		"ours-full":    8,
		"ours-istio":   8,
	} {
		t.Run(name, func(t *testing.T) {
			stack := clients()[name]()
			for kind, cancelable := range map[string]bool{"background": false, "cancelable": true} {
				once := send(parentOf(cancelable), stack)
				got := testing.AllocsPerRun(200, func() { once(1) })
				if got > most {
					t.Errorf("%s: %v allocations a request, at most %v", kind, got, most)
				}
			}
		})
	}
}

// A retry is a second answer, a further record with its copy of the request, and
// what throwing an answer away needs: the rest of its body is read, within a bound.
func TestAllocationsOfARetry(t *testing.T) {
	once := send(context.Background(), retriers["ours-full-no-timeout"](failFirst()))
	if got, most := testing.AllocsPerRun(200, func() { once(1) }), 14.0; got > most {
		t.Errorf("%v allocations a request that is repeated once, at most %v", got, most)
	}
}

func TestAllocationsOfServerStacks(t *testing.T) {
	for _, b := range servers() {
		most, ok := map[string]float64{
			// The record, the request's copy in it, and the context with a deadline.
			"Server/ours-match-fault-timeout": 6,
			"Server/ours-full":                6,
		}[b.name]
		if !ok {
			continue
		}
		once := b.setup()()
		if got := testing.AllocsPerRun(200, func() { once(1) }); got > most {
			t.Errorf("%s: %v allocations a request, at most %v", b.name, got, most)
		}
	}
}

func TestAdmittingAllocatesNothing(t *testing.T) {
	for _, b := range breakers() {
		if b.name != "Breaker/ours" && b.name != "Limiter/ours" {
			continue
		}
		once := b.setup()()
		if got := testing.AllocsPerRun(200, func() { once(1) }); got != 0 {
			t.Errorf("%s: %v allocations", b.name, got)
		}
	}
}

// A breaker by itself needs a wrapper of the answer's body.
func TestAllocationsOfABreakerAlone(t *testing.T) {
	once := send(context.Background(), layers["breaker"]())
	if got := testing.AllocsPerRun(200, func() { once(1) }); got > ofStub+1 {
		t.Errorf("%v allocations a request", got)
	}
}

func TestDrawingABranchAllocatesNothing(t *testing.T) {
	for _, b := range splits() {
		if familyOf(b.name) != "Split/ours" {
			continue
		}
		once := b.setup()()
		if got := testing.AllocsPerRun(200, func() { once(1) }); got != 0 {
			t.Errorf("%s: %v allocations", b.name, got)
		}
	}
}

func TestLookingUpARouteAllocatesNothing(t *testing.T) {
	paths, headers := pathTable(100), headerTable(100)
	all := spread(100, header)
	for _, find := range []func(*http.Request) bool{
		func(r *http.Request) bool { _, ok := paths.Lookup(r); return ok },
		func(r *http.Request) bool { _, ok := headers.Lookup(r); return ok },
	} {
		i := 0
		got := testing.AllocsPerRun(targets, func() {
			if !find(all[i%targets]) {
				t.Fatal("no route was found")
			}
			i++
		})
		if got != 0 {
			t.Errorf("%v allocations a lookup", got)
		}
	}
}

func TestPickingAnEndpointAllocatesNothing(t *testing.T) {
	for name, algorithm := range algorithms(100) {
		b := made(lb.New(lb.Config{Endpoints: endpoints(100), Algorithm: algorithm}))
		got := testing.AllocsPerRun(200, func() {
			lease, err := b.Pick(lb.Query{Hash: 7, Hashed: true})
			if err != nil {
				t.Fatal(err)
			}
			lease.Done(mesh.Outcome{})
		})
		if got != 0 {
			t.Errorf("%s: %v allocations a pick", name, got)
		}
	}
}
