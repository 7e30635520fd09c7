package chart

import (
	"fmt"
	"html"
	"strings"
)

const (
	width  = 760
	top    = 64 // for the title and what the axes mean
	bottom = 44 // for the x axis
	left   = 64
	right  = 150 // for the names of lines
)

// A palette is the colours on one ground: of text, of what is less important, of
// the ground, of grids, and of series. Those of series are told apart by people who
// see no difference between red and green, too.
type palette struct {
	text, quiet, ground, grid string
	series                    [colours]string
}

const colours = 7

var (
	light = palette{"#1f2328", "#59636e", "#ffffff", "#d1d9e0",
		[colours]string{"#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700", "#0e7c86", "#6e7781"}}
	dark = palette{"#f0f6fc", "#9198a1", "#0d1117", "#3d444d",
		[colours]string{"#4493f8", "#db6d28", "#3fb950", "#ab7df8", "#d29922", "#39c5cf", "#9198a1"}}
)

// rules are the palette in CSS.
func (p palette) rules() string {
	var b strings.Builder
	fmt.Fprintf(&b, "text { fill: %s } .quiet { fill: %s } .ground { fill: %s } .grid { stroke: %s }\n", p.text, p.quiet, p.ground, p.grid)
	for i, c := range p.series {
		fmt.Fprintf(&b, ".line.c%d { stroke: %s } .dot.c%[1]d, .bar.c%[1]d, .name.c%[1]d { fill: %[2]s }\n", i, c)
	}
	return b.String()
}

// style follows what the reader has chosen. Where nothing is known it is light.
var style = `
text { font: 13px system-ui, "Helvetica Neue", Arial, sans-serif }
.title { font-size: 16px; font-weight: 600 }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round }
.line.strong { stroke-width: 3.5 }
text.strong { font-weight: 600 }
` + light.rules() + "@media (prefers-color-scheme: dark) {\n" + dark.rules() + "}\n"

// A drawing is an SVG that is being written.
type drawing struct{ b strings.Builder }

func draw(height int, title, below string) *drawing {
	d := new(drawing)
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-label="%s">`+"\n",
		width, height, html.EscapeString(title))
	d.printf("<style>%s</style>\n", style)
	d.printf(`<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	d.text(16, 28, "title", "start", title)
	d.text(16, 48, "quiet", "start", below)
	return d
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.b, format, args...) }

// text writes s so that it starts, ends or has its middle at x.
func (d *drawing) text(x, y float64, class, anchor, s string) {
	d.printf(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}

func (d *drawing) grid(x1, y1, x2, y2 float64) {
	d.printf(`<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", x1, y1, x2, y2)
}

func (d *drawing) end() []byte {
	d.printf("</svg>\n")
	return []byte(d.b.String())
}
