package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// A report is what a run has found.
type report struct {
	Command    string          `json:"command"`
	Machine    machine         `json:"machine"`
	Benchmarks []*result       `json:"benchmarks"`
	Systems    []*macro.Result `json:"systems,omitempty"`
	Memory     []footprint     `json:"memory,omitempty"`
	Targets    []verdict       `json:"targets"`

	run *run
}

func newReport(results []*result, systems []*macro.Result, memory []footprint, long bool) *report {
	rep := &report{
		Command: command(), Machine: thisMachine(), Benchmarks: results, Systems: systems, Memory: memory,
		run: &run{micro: make(map[string]*result), macro: make(map[string]*macro.Result), long: long},
	}
	for _, r := range results {
		rep.run.micro[r.Name] = r
	}
	for _, r := range systems {
		rep.run.macro[r.Name] = r
	}
	for _, t := range allTargets {
		rep.Targets = append(rep.Targets, t.judge(rep.run))
	}
	return rep
}

func (rep *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", rep.Machine)
	if len(rep.Benchmarks) > 0 {
		rep.printBenchmarks(w)
		fmt.Fprintln(w)
	}
	if len(rep.Systems) > 0 {
		rep.printSystems(w)
		fmt.Fprintln(w)
	}
	if len(rep.Memory) > 0 {
		rep.printMemory(w)
		fmt.Fprintln(w)
	}
	rep.printTargets(w)
}

// printBenchmarks prints each figure beside that of the plainest of its kind, and
// beside that of the smallest of its family.
func (rep *report) printBenchmarks(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer t.Flush()
	fmt.Fprintln(t, "benchmark\tcpu-ns\tspread\tallocs\tratio\tgrowth\t")
	smallest := map[string]*result{}
	for _, r := range rep.Benchmarks {
		ratio, growth := "", ""
		if base := rep.run.micro[yardstick(r.Name)]; base != nil && base != r {
			ratio = fmt.Sprintf("%.2f", r.CPU/base.CPU)
		}
		if sizeOf(r.Name) > 0 {
			family := familyOf(r.Name)
			if first := smallest[family]; first == nil {
				smallest[family] = r
			} else {
				growth = fmt.Sprintf("%.2f", r.CPU/first.CPU)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f %%\t%d\t%s\t%s\t\n", r.Name, nanoseconds(r.CPU), 100*r.Spread, r.Allocs, ratio, growth)
	}
}

// yardstick is the benchmark beside which others of its kind stand.
func yardstick(name string) string {
	kind := kindOf(name)
	base := map[string]string{
		"Chain": "bare", "ChainCancelable": "bare", "ChainPar": "bare-2", "RetryOnce": "floor", "Server": "timeouthandler",
		"Breaker": "gobreaker", "BreakerPar": "gobreaker-2", "Limiter": "x-time-rate",
		"Route": "servemux", "Pick": "floor-p2c", "PickPar": "grpc-p2c", "Split": "floor-search", "Build": "servemux",
	}[kind]
	if n := sizeOf(name); n > 0 {
		base += name[strings.Index(name, "/n="):]
	}
	return kind + "/" + base
}

func nanoseconds(ns float64) string {
	if ns < 100 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}

func (rep *report) printMemory(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer t.Flush()
	fmt.Fprintln(t, "memory\teach\tof\tgoroutines\t")
	for _, f := range rep.Memory {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t\n", f.Name, byteSize(f.Each), f.Number, f.Goroutines)
	}
}

func (rep *report) printTargets(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprintln(t, "target\tours\tagainst\tratio\tmust\tgoal\tresult")
	for _, v := range rep.Targets {
		fmt.Fprintln(t, strings.Join(v.cells(), "\t"))
	}
}

// cells are a line of the table of targets.
func (v verdict) cells() []string {
	against, ratio, must, goal := v.Against, "", fmt.Sprintf("%s %.2f", v.sign(), v.Must), ""
	if v.Goal > 0 {
		goal = fmt.Sprintf("%.2f", v.Goal)
	}
	if v.Result != absent {
		ratio = fmt.Sprintf("%.2f", v.Ratio)
	}
	if v.Against == "" {
		against = "allocations"
		ratio, must, goal = strings.TrimSuffix(ratio, ".00"), strings.TrimSuffix(must, ".00"), strings.TrimSuffix(goal, ".00")
	}
	if v.Of != ofCPU {
		against += ", " + string(v.Of)
	}
	return []string{v.ID, v.Ours, against, ratio, must, goal, v.Result}
}

// write makes a file of the report.
func (rep *report) write(path string) error {
	text, err := json.MarshalIndent(rep, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o666)
}

// failed reports whether a target was missed.
func (rep *report) failed() bool {
	for _, v := range rep.Targets {
		if v.Result == fail {
			return true
		}
	}
	return false
}
