package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// sample is a report with figures that need no measuring.
func sample() *report {
	var results []*result
	for i, b := range benchmarks(regexp.MustCompile("")) {
		results = append(results, &result{Name: b.name, CPU: float64(10 + i), Allocs: 1})
	}
	var systems []*macro.Result
	for i, name := range macro.Names() {
		x := float64(10 + i)
		systems = append(systems, &macro.Result{Name: name, CPU: x, Proxy: 5, RPS: x, P50: x, P99: 2 * x, Rounds: []macro.Round{{CPU: x, RPS: x, P50: x}}})
	}
	return newReport(results, systems, []footprint{{Name: "Memory/route", Number: 7, Each: 423}}, true)
}

// Charts are named after what they show, and miss none of the benchmarks that they
// ask for.
func TestChartsShowWhatWasMeasured(t *testing.T) {
	dir := t.TempDir()
	rep := sample()
	if err := rep.draw(dir); err != nil {
		t.Fatal(err)
	}
	want := []string{"latency.svg", "systems.svg"}
	for _, g := range growths {
		want = append(want, g.file)
		svg, _ := os.ReadFile(filepath.Join(dir, g.file))
		for _, family := range g.families {
			if _, name, _ := strings.Cut(family, "/"); !strings.Contains(string(svg), ">"+name+"</text>") {
				t.Errorf("%s does not show %s", g.file, family)
			}
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestNoTargetIsAbsentInAFullRun(t *testing.T) {
	for _, v := range sample().Targets {
		if v.Result == absent {
			t.Errorf("%s is absent", v.ID)
		}
	}
}

func TestTablesForAREADME(t *testing.T) {
	var b strings.Builder
	sample().markdown(&b)
	for _, want := range []string{
		"| **ours-full** |", "| failsafe |", "| route | 423 B | 7 |", "| macro-rps-two | Macro/ours | Macro/envoy-two, throughput |", "go run ./bench", "CPU",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	columns := 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		if n := strings.Count(line, "|"); columns != 0 && n != columns {
			t.Errorf("%d columns, not %d: %s", n-1, columns-1, line)
		} else {
			columns = n
		}
	}
}
