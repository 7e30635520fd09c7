package chart

import (
	"fmt"
	"math"
)

// Bars is a chart of figures of different things, in parts that add up.
type Bars struct {
	Title string
	X     string   // what is drawn, with its unit
	Parts []string // what the parts of a bar are; none for bars of one part
	Bars  []Bar
}

// A Bar is one of them.
type Bar struct {
	Name   string
	Strong bool // what the chart is about
	Parts  []float64
}

func (b Bar) sum() float64 {
	var sum float64
	for _, p := range b.Parts {
		sum += p
	}
	return sum
}

// SVG draws the chart; it is nil if there is nothing to draw.
func (c Bars) SVG() []byte {
	var most float64
	for _, b := range c.Bars {
		most = max(most, b.sum())
	}
	if most == 0 {
		return nil
	}
	const row, thick, names, end = 30, 18, 170, 90
	head := float64(top)
	if len(c.Parts) > 0 {
		head += 20
	}
	height := int(head) + row*len(c.Bars) + 34
	d := draw(height, c.Title, c.X)
	x := 16.0
	for i, part := range c.Parts {
		d.printf(`<rect class="bar c%d" x="%.1f" y="%d" width="12" height="12"/>`+"\n", i, x, top-2)
		d.text(x+18, top+9, "", "start", part)
		x += 18 + 7.5*float64(len(part)) + 20
	}
	at := func(v float64) float64 { return names + (width-names-end)*v/most }
	every := wide(most)
	for v := 0.0; v <= most; v += every {
		d.grid(at(v), head, at(v), float64(height-30))
		d.text(at(v), float64(height-12), "quiet", "middle", short(v))
	}
	for i, b := range c.Bars {
		y, class := head+float64(row*i)+6, ""
		if b.Strong {
			class = "strong"
		}
		d.text(names-10, y+14, class, "end", b.Name)
		from := 0.0
		for k, part := range b.Parts {
			d.printf(`<rect class="bar c%d" x="%.1f" y="%.1f" width="%.1f" height="%d"/>`+"\n", k, at(from), y, at(from+part)-at(from), thick)
			from += part
		}
		d.text(at(from)+8, y+14, class, "start", figure(b.sum()))
	}
	return d.end()
}

// wide is the distance of some five lines of a grid.
func wide(most float64) float64 { return step(most/6, math.Ceil) }

func figure(x float64) string {
	if x < 100 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}
