package istio

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// String is the explanation as text for a terminal, over several lines.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s, port %d\n", e.Method, e.Host, e.Path, e.Port)
	for _, p := range e.Passed {
		fmt.Fprintf(&b, "\nnot %s\n    %s\n", ruleLine("rule", p.Name, p.Source), p.Reason)
	}
	if e.Rule == nil {
		fmt.Fprintf(&b, "\nno rule\n    %s\n", e.Refused)
		return b.String()
	}
	fmt.Fprintf(&b, "\n%s\n", ruleLine("rule", e.Rule.Name, e.Rule.Source))
	writeSettings(&b, e.Rule.Settings)
	for _, d := range e.Destinations {
		d.write(&b)
	}
	return b.String()
}

func ruleLine(what, name, source string) string {
	if name != "" {
		what += " " + name
	}
	return what + " (" + source + ")"
}

func writeSettings(b *strings.Builder, settings []Setting) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(w, "    %s\t%s\t%s\n", s.Name, s.Value, s.Source)
	}
	w.Flush()
}

func (d ExplainedDestination) write(b *strings.Builder) {
	what := "of requests"
	if d.Mirror {
		what = "are copied"
	}
	fmt.Fprintf(b, "\n%v %% %s to %s (%s)\n", d.Share, what, d.Cluster, d.Asked)
	if d.Missing {
		b.WriteString("    there is no such service, port or subset: answered with 503\n")
		return
	}
	fmt.Fprintf(b, "    service %s (%s)\n", d.Host, d.Source)
	if len(d.Endpoints) == 0 {
		b.WriteString("    no endpoints: answered with 503\n")
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, e := range d.Endpoints {
		fmt.Fprintf(w, "    endpoint %s\tweight %v\tpriority %d", e.Address, e.Weight, e.Priority)
		if e.Locality != "" {
			fmt.Fprintf(w, ", %s", e.Locality)
		}
		if e.Ejected {
			fmt.Fprint(w, ", ejected")
		}
		fmt.Fprintf(w, "\t%s\n", e.Source)
	}
	w.Flush()
	writeSettings(b, d.Settings)
}
