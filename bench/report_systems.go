package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// printSystems prints each system beside the direct one of its shape.
func (rep *report) printSystems(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer t.Flush()
	fmt.Fprintln(t, "system\tcpu-us\tproxy\tx direct\trps\tx direct\tp50-us\tp99-us\tcpu-us at 1000/s\tproxy MiB\tclient MiB\tcanary\terrors\t")
	for _, r := range rep.Systems {
		base := rep.run.macro[directOf(r.Name)]
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%.0f\t%.3f\t%d\t\n",
			r.Name, r.CPU, r.Proxy, ratio(r, base, macro.CPU), r.RPS, ratio(r, base, macro.RPS),
			whole(r.P50), whole(r.P99), whole(r.OpenCPU), whole(r.ProxyRSS), r.ClientRSS, r.Canary, r.Errors)
	}
	for _, r := range rep.Systems {
		if r.Problem != "" {
			fmt.Fprintf(t, "%s: %s\n", r.Name, r.Problem)
		}
	}
}

// directOf is the system with nothing in between, of the same shape.
func directOf(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	_, shape, found := strings.Cut(rest, "/")
	if found {
		shape = "/" + shape
	}
	return "Macro/direct" + shape
}

func ratio(r, base *macro.Result, of func(macro.Round) float64) string {
	if base == nil {
		return ""
	}
	return fmt.Sprintf("%.2f", r.Ratio(base, of))
}

// whole is a figure without its fraction, and nothing for none.
func whole(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", x)
}
