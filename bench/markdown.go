package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// markdown prints the figures that a reader of a README wants, as tables, with the
// command and the machine.
func (rep *report) markdown(w io.Writer) {
	fmt.Fprintf(w, "`%s` on %s:\n", rep.Command, rep.Machine)
	rep.chainsTable(w)
	rep.systemsTable(w)
	rep.memoryTable(w)
	rep.targetsTable(w)
}

// command is how this run was asked for.
func command() string {
	words := []string{"go run ./bench"}
	for _, arg := range os.Args[1:] {
		if strings.ContainsAny(arg, "^$|()*? ") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func head(w io.Writer, cells ...string) {
	fmt.Fprintln(w)
	row(w, cells...)
	for i := range cells {
		cells[i] = "---:"
	}
	cells[0] = "---"
	row(w, cells...)
}

// chainsTable is the price list of layers and client stacks.
func (rep *report) chainsTable(w io.Writer) {
	titled := false
	for _, r := range rep.Benchmarks {
		name, found := strings.CutPrefix(r.Name, "Chain/")
		if !found {
			continue
		}
		if !titled {
			head(w, "client stack over a stub", "CPU ns", "under a cancelable parent", "allocations")
			titled = true
		}
		cancelable := ""
		if c := rep.run.micro["ChainCancelable/"+name]; c != nil {
			cancelable = nanoseconds(c.CPU)
		}
		row(w, bold(name), nanoseconds(r.CPU), cancelable, fmt.Sprint(r.Allocs))
	}
}

// systemsTable is what stands between a caller and a server, in the base shape.
func (rep *report) systemsTable(w io.Writer) {
	titled := false
	for _, r := range rep.Systems {
		name, ok := systemOf(r.Name, macro.Base)
		if !ok {
			continue
		}
		if !titled {
			head(w, "caller talks", "CPU us a request, all processes", "of it proxies", "x direct", "requests/s",
				"p50 / p99 us at 1,000/s", "proxies MiB")
			titled = true
		}
		latency := ""
		if r.P50 > 0 {
			latency = fmt.Sprintf("%.0f / %.0f", r.P50, r.P99)
		}
		row(w, bold(name), fmt.Sprintf("%.1f", r.CPU), fmt.Sprintf("%.0f", r.Proxy), ratio(r, rep.run.macro[directOf(r.Name)], macro.CPU),
			fmt.Sprintf("%.0f", r.RPS), latency, whole(r.ProxyRSS))
	}
}

func (rep *report) memoryTable(w io.Writer) {
	if len(rep.Memory) == 0 {
		return
	}
	head(w, "on the heap while nothing happens", "each", "of")
	for _, f := range rep.Memory {
		row(w, strings.TrimPrefix(f.Name, "Memory/"), byteSize(f.Each), fmt.Sprint(f.Number))
	}
}

func (rep *report) targetsTable(w io.Writer) {
	head(w, "target", "ours", "against", "ratio", "must", "goal", "")
	for _, v := range rep.Targets {
		if v.Result == absent {
			continue
		}
		row(w, v.cells()...)
	}
}

func bold(name string) string {
	if isOurs(name) {
		return "**" + name + "**"
	}
	return name
}

// byteSize is a number of bytes for people.
func byteSize(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// kibibytes is a round number of them.
func kibibytes(n int) string { return fmt.Sprintf("%d KiB", n>>10) }
