package console

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/sidecarless/mesh/console/internal/traffic"
	"github.com/sidecarless/mesh/console/internal/words"
)

// A picture is a graph as SVG draws it, in units of its own.
type picture struct {
	Width, Height int
	Boxes         []box
	Lines         []line
	Description   string
}

// A box is a node. Attributes hold numbers and words of ours only, and are put
// together beforehand since templates take their time for each value.
type box struct {
	Place, Size             template.HTMLAttr
	Icon, Label, Note       string
	Rate, Times, Title      string
	Split, Client, Endpoint bool
	Right                   int // where numbers end
}

// A line is an edge.
type line struct {
	Attributes template.HTMLAttr
	Label      string
	X, Y       int // of the label
}

// A column of the picture is for one kind of node.
type column struct{ x, w, h float64 }

var columns = map[string]column{
	"client":   {0, 150, 64},
	"route":    {200, 250, 48},
	"split":    {482, 16, 16},
	"subset":   {550, 268, 48},
	"endpoint": {862, 338, 30},
}

const (
	pictureWidth = 1200
	gap          = 8 // between two nodes
)

// layout gives every node its place: in the middle of those that it leads to first.
func (g *graph) layout() {
	var order []*node // those that have their place
	placed := map[*node]bool{}
	bottom := 0.0
	var place func(n *node)
	place = func(n *node) {
		placed[n] = true
		c := columns[n.kind]
		n.x, n.w, n.h = c.x, c.w, c.h
		top, before := bottom, len(order)
		first, last := math.Inf(1), math.Inf(-1)
		for _, e := range n.next {
			if !placed[e.to] {
				place(e.to)
				first, last = min(first, e.to.y), max(last, e.to.y+e.to.h)
			}
		}
		n.y = top
		if last > first {
			n.y = (first + last - n.h) / 2
		}
		if n.y < top { // it is higher than all of them
			for _, m := range order[before:] {
				m.y += top - n.y
			}
			bottom += top - n.y
			n.y = top
		}
		bottom = max(bottom, n.y+n.h+gap)
		order = append(order, n)
	}
	place(g.client)
}

// picture draws g.
func (g *graph) picture() picture {
	p := picture{Width: pictureWidth}
	height, most := 0.0, 0.0
	for _, n := range g.nodes {
		height = max(height, n.y+n.h)
		p.Boxes = append(p.Boxes, n.box())
	}
	for _, e := range g.edges {
		most = max(most, e.rate.PerSecond)
	}
	for _, e := range g.edges {
		p.Lines = append(p.Lines, e.line(most))
	}
	p.Height = int(math.Ceil(height)) + 2
	counts := map[string]int{}
	for _, n := range g.nodes {
		counts[n.kind] += max(n.more, 1)
	}
	p.Description = fmt.Sprintf("%s lead to %s with %s; the tables below say the same.",
		words.Plural(counts["route"], "rule", "rules"), words.Plural(counts["subset"], "destination", "destinations"),
		words.Plural(counts["endpoint"], "endpoint", "endpoints"))
	return p
}

// icons tell states apart also without colours.
var icons = map[string]string{"bad": "✕", "warn": "▲", "ok": "●", "idle": "○"}

func (n *node) box() box {
	b := box{
		Place: template.HTMLAttr(fmt.Sprintf(`class="box %s %s" transform="translate(%.1f %.1f)"`, n.kind, n.state, n.x, n.y)),
		Size:  template.HTMLAttr(fmt.Sprintf(`width="%.0f" height="%.0f"`, n.w, n.h)),
		Icon:  icons[n.state], Label: n.label, Note: n.note, Right: int(n.w) - 12,
		Split: n.kind == "split", Client: n.kind == "client", Endpoint: n.kind == "endpoint",
	}
	switch n.kind {
	case "client":
		b.Label, b.Icon = words.Cut(n.label, 15), ""
	case "endpoint":
		b.Label = words.Cut(n.label, 22)
		if n.more > 0 {
			b.Icon = ""
		}
	default:
		b.Label, b.Note = words.Cut(n.label, 22), words.Cut(n.note, 24)
	}
	if n.rate.Count > 0 {
		b.Rate, b.Times = words.PerSecond(n.rate.PerSecond), words.Short(n.rate.P50)+" / "+words.Short(n.rate.P99)
	}
	if n.why != "" {
		b.Note = words.Cut(n.why, 24)
		if n.kind == "endpoint" {
			b.Rate, b.Times = "", words.Cut(n.why, 24)
		}
	}
	b.Title = strings.Join(n.words(), ", ")
	return b
}

// words are all there is to say of a node.
func (n *node) words() []string {
	all := []string{n.kind + " " + n.label}
	if n.title != "" && n.title != n.label {
		all = append(all, n.title)
	}
	if n.why != "" {
		all = append(all, n.why)
	}
	return append(all, rateWords(n.rate))
}

// rateWords are the rate, errors and latencies of f.
func rateWords(f *traffic.Rate) string {
	if f.Count == 0 {
		return "no requests"
	}
	return fmt.Sprintf("%s, %s errors, p50 %s, p99 %s", words.PerSecond(f.PerSecond), words.Percent(f.ErrorPct), words.Short(f.P50), words.Short(f.P99))
}

// line is an edge from the right side of one node to the left side of the next.
func (e *edge) line(most float64) line {
	x1, y1 := e.from.x+e.from.w, e.from.y+e.from.h/2
	x2, y2 := e.to.x, e.to.y+e.to.h/2
	mid := (x1 + x2) / 2
	l := line{Label: e.share, X: int(mid), Y: int((y1+y2)/2) + 4}
	class, width := stateOf(e.rate), 1.5
	if e.copies {
		class += " copies"
		l.Label += " copies"
	}
	if most > 0 {
		width += 4.5 * math.Sqrt(e.rate.PerSecond/most)
	}
	l.Attributes = template.HTMLAttr(fmt.Sprintf(`class="%s" stroke-width="%.1f" d="M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f"`,
		class, width, x1, y1, mid, y1, mid, y2, x2, y2))
	return l
}
