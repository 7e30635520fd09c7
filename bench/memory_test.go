package main

import (
	"regexp"
	"testing"
)

// Budgets in bytes, a fifth or so above what was measured.
func TestMemoryOfWhatIsIdle(t *testing.T) {
	budgets := map[string]int{
		"Memory/upstream":    10 << 10,
		"Memory/endpoint":    960,
		"Memory/route":       512,
		"Memory/limiter-key": 200,
		"Memory/circuit-key": 768,
		"Memory/fleet":       36 << 20,
		"Memory/fleet-yaml":  70 << 20,
	}
	measured := footprints(regexp.MustCompile(""))
	if len(measured) != len(budgets) {
		t.Errorf("%d of %d were measured", len(measured), len(budgets))
	}
	for _, f := range measured {
		most, ok := budgets[f.Name]
		if !ok || f.Each > most || f.Each <= 0 {
			t.Errorf("%s: %d bytes each, at most %d", f.Name, f.Each, most)
		}
		if f.Goroutines != 0 {
			t.Errorf("%s: %d goroutines, when nothing happens", f.Name, f.Goroutines)
		}
	}
}
