package console

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"net/http"

	"github.com/sidecarless/mesh/console/internal/journal"
	"github.com/sidecarless/mesh/console/internal/words"
)

// How many rows the overview has of each kind.
const (
	overviewRows  = 30
	overviewNews  = 8
	overviewTexts = 20
)

// An overview is what somebody sees first.
type overview struct {
	Figures   []figure
	Troubles  []trouble
	Picture   picture
	Tree      []twig
	Truncated int
	Clusters  []clusterRow
	More      int // clusters without a row
	Decisions []decisionRow
	Events    []eventRow
	Window    string
}

// A figure is a number that says how things are.
type figure struct{ Label, Value, Note, State string }

// A twig is a node in a list of lists.
type twig struct {
	Depth                           int
	Class, Icon, Label, Note, Words string
}

func (c *Console) overview(s *state, r *http.Request) view {
	g := s.graph()
	g.client.label = cmp.Or(c.config.Title, "client")
	o := overview{
		Figures: s.figures(), Troubles: s.troubles(), Picture: g.picture(), Tree: g.tree(), Truncated: g.truncated,
		Decisions: c.decisionRows(overviewNews, anyDecision), Window: words.Short(s.window.Round(time.Second)),
	}
	for _, one := range s.clusters[:min(len(s.clusters), overviewRows)] {
		o.Clusters = append(o.Clusters, one.row())
	}
	o.More = len(s.clusters) - len(o.Clusters)
	for _, e := range s.events[:min(len(s.events), overviewNews)] {
		o.Events = append(o.Events, e.row(s.at))
	}
	return view{
		title: "Overview", page: "overview", html: o, live: true, json: func() any { return g.json(s) },
		text: func(w io.Writer) { c.overviewText(w, s, g) },
	}
}

// figures are the numbers at the top.
func (s *state) figures() []figure {
	t := &s.total
	endpoints, usable := 0, 0
	for _, c := range s.clusters {
		endpoints += len(c.hosts)
		usable += c.usable
	}
	all := []figure{
		{Label: "Requests", Value: words.PerSecond(t.PerSecond), Note: fmt.Sprint(t.Total, " in all")},
		{Label: "Errors", Value: words.Percent(t.ErrorPct), Note: fmt.Sprint(t.Failed, " in all"), State: stateOf(t)},
		{Label: "Median", Value: "–", Note: "p50"},
		{Label: "99th percentile", Value: "–", Note: "p99"},
		{Label: "Endpoints in use", Value: fmt.Sprint(usable), Note: fmt.Sprint("of ", endpoints)},
	}
	if t.Count > 0 {
		all[2].Value, all[3].Value = words.Short(t.P50), words.Short(t.P99)
	}
	if usable < endpoints {
		all[4].State = "warn"
	}
	if r := s.reload; r != nil {
		f := figure{Label: "Configuration", Value: "in force", Note: "as it was at the start"}
		if !r.Loaded.IsZero() {
			f.Note = "loaded " + words.Ago(s.at, r.Loaded)
		}
		if r.Err != nil {
			f.Value, f.Note, f.State = "not loaded", "failed "+words.Ago(s.at, r.Failed), "bad"
		}
		all = append(all, f)
	}
	return all
}

// tree is g as a list of lists.
func (g *graph) tree() []twig {
	var all []twig
	shown := map[*node]bool{}
	var add func(n *node, depth int, share string)
	add = func(n *node, depth int, share string) {
		t := twig{Depth: depth, Class: fmt.Sprintf("d%d %s", depth, n.state), Icon: icons[n.state], Label: n.label, Note: n.note, Words: rateWords(n.rate)}
		if share != "" {
			t.Note = strings.TrimSpace(share + " " + t.Note)
		}
		if n.why != "" {
			t.Words = n.why
		}
		if shown[n] {
			t.Words = "see above"
		}
		if n.kind != "split" {
			all = append(all, t)
			depth++
		}
		if shown[n] {
			return
		}
		shown[n] = true
		for _, e := range n.next {
			share := e.share
			if e.copies {
				share += " copies"
			}
			add(e.to, depth, share)
		}
	}
	add(g.client, 0, "")
	return all
}

// overviewText is the overview for curl.
func (c *Console) overviewText(w io.Writer, s *state, g *graph) {
	fmt.Fprintf(w, "%s  %s, rates of the last %s\n\n", cmp.Or(c.config.Title, "mesh"), s.at.Format(time.RFC3339), words.Short(s.window))
	for _, f := range s.figures() {
		fmt.Fprintf(w, "%-18s %-10s %s\n", f.Label, f.Value, f.Note)
	}
	for _, t := range s.troubles() {
		fmt.Fprintf(w, "\n! %s", t.Text)
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, n := range g.tree() {
		fmt.Fprintf(t, "%s%s %s\t%s\t%s\n", strings.Repeat("  ", n.Depth), n.Icon, n.Label, n.Note, n.Words)
	}
	t.Flush()
	if g.truncated > 0 {
		fmt.Fprintf(w, "and %s\n", words.Plural(g.truncated, "more rule", "more rules"))
	}
	fmt.Fprintln(w)
	shown := 0
	c.journal.Last(overviewTexts, anyDecision, func(d *journal.Decision) {
		if shown++; shown == 1 {
			fmt.Fprintln(w, "last requests, see /decisions")
		}
		fmt.Fprintln(w, "  "+words.FirstLine(d.Text()))
	})
	fmt.Fprintln(w, "\npages: /decisions /clusters /events /config /explain?url=URL /stats /config_dump /server_info /ready")
}

// Shapes of the graph for programs.
type (
	jsonGraph struct {
		Time     time.Time  `json:"t"`
		Window   string     `json:"window"`
		Troubles []trouble  `json:"troubles"`
		Nodes    []jsonNode `json:"nodes"`
		Edges    []jsonEdge `json:"edges"`
		More     int        `json:"moreRules,omitempty"` // that have no node
	}
	jsonNode struct {
		ID       string  `json:"id"`
		Kind     string  `json:"kind"`
		Label    string  `json:"label"`
		Note     string  `json:"note,omitempty"`
		State    string  `json:"state"`
		Why      string  `json:"why,omitempty"`
		RPS      float64 `json:"rps"`
		ErrorPct float64 `json:"errorPct"`
		P50      float64 `json:"p50"` // ms
		P99      float64 `json:"p99"`
		Total    uint64  `json:"total"` // since the start
	}
	jsonEdge struct {
		From     string  `json:"from"`
		To       string  `json:"to"`
		Share    string  `json:"weight,omitempty"`
		Copies   bool    `json:"copies,omitempty"`
		RPS      float64 `json:"rps"`
		ErrorPct float64 `json:"errorPct"`
	}
)

func (g *graph) json(s *state) jsonGraph {
	j := jsonGraph{Time: s.at, Window: s.window.String(), Troubles: slices.Concat([]trouble{}, s.troubles()), More: g.truncated}
	for _, n := range g.nodes {
		j.Nodes = append(j.Nodes, jsonNode{
			n.id, n.kind, n.label, n.note, n.state, n.why, n.rate.PerSecond, n.rate.ErrorPct, words.Milliseconds(n.rate.P50), words.Milliseconds(n.rate.P99), n.rate.Total,
		})
	}
	j.Edges = []jsonEdge{}
	for _, e := range g.edges {
		j.Edges = append(j.Edges, jsonEdge{e.from.id, e.to.id, e.share, e.copies, e.rate.PerSecond, e.rate.ErrorPct})
	}
	return j
}
