package chart

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Lines is a chart of how figures grow. Both axes are logarithmic: what grows in
// proportion is a straight line upwards, and what is flat is flat.
type Lines struct {
	Title  string
	X, Y   string // what the axes mean, with units
	Series []Series
}

// A Series is a line, from its smallest X to its largest. X and Y are positive.
type Series struct {
	Name   string
	Strong bool // what the chart is about
	Points []Point
}

// A Point is one of a line.
type Point struct{ X, Y float64 }

// SVG draws the chart; it is nil if there is nothing to draw.
func (c Lines) SVG() []byte {
	var all []Point
	for _, s := range c.Series {
		all = append(all, s.Points...)
	}
	if len(all) == 0 {
		return nil
	}
	const height = 420
	xs := newScale(all, func(p Point) float64 { return p.X }, left, width-right)
	ys := newScale(all, func(p Point) float64 { return p.Y }, height-bottom, top)
	d := draw(height, c.Title, c.Y+", over "+c.X)
	for _, y := range ys.ticks {
		d.grid(left, ys.at(y), width-right, ys.at(y))
		d.text(left-8, ys.at(y)+4, "quiet", "end", short(y))
	}
	for _, x := range xs.ticks {
		d.grid(xs.at(x), top, xs.at(x), height-bottom)
		d.text(xs.at(x), height-bottom+20, "quiet", "middle", short(x))
	}
	names := make([]label, len(c.Series))
	for i, s := range c.Series {
		class := fmt.Sprintf("c%d", i%colours)
		if s.Strong {
			class += " strong"
		}
		d.printf(`<polyline class="line %s" points="`, class)
		for _, p := range s.Points {
			d.printf("%.1f,%.1f ", xs.at(p.X), ys.at(p.Y))
		}
		d.printf(`"/>` + "\n")
		for _, p := range s.Points {
			d.printf(`<circle class="dot %s" cx="%.1f" cy="%.1f" r="3"/>`+"\n", class, xs.at(p.X), ys.at(p.Y))
		}
		last := s.Points[len(s.Points)-1]
		names[i] = label{y: ys.at(last.Y) + 4, x: xs.at(last.X) + 10, class: "name " + class, text: s.Name}
	}
	for _, n := range apart(names, top, height-bottom) {
		d.text(n.x, n.y, n.class, "start", n.text)
	}
	return d.end()
}

// A label is the name of a line, at its end.
type label struct {
	x, y        float64
	class, text string
}

// apart moves labels so that none covers another.
func apart(all []label, high, low float64) []label {
	const height = 16
	slices.SortStableFunc(all, func(a, b label) int { return cmp.Compare(a.y, b.y) })
	for i := 1; i < len(all); i++ {
		all[i].y = max(all[i].y, all[i-1].y+height)
	}
	for i, most := len(all)-1, low; i >= 0; i-- {
		all[i].y = min(all[i].y, most)
		most = all[i].y - height
	}
	for i := range all { // too many for the space begin at the top
		all[i].y = max(all[i].y, high+float64(i)*height/2)
	}
	return all
}

// A scale is a logarithmic axis over whole steps of 1, 2, 5, 10.
type scale struct {
	low, high float64
	from, to  float64
	ticks     []float64
}

func newScale(all []Point, of func(Point) float64, from, to float64) scale {
	low, high := math.Inf(1), 0.0
	for _, p := range all {
		low, high = min(low, of(p)), max(high, of(p))
	}
	s := scale{low: step(low, math.Floor), high: step(high, math.Ceil), from: from, to: to}
	if s.low == s.high {
		s.high *= 10
	}
	for decade := math.Pow(10, math.Floor(math.Log10(s.low)+1e-9)); decade <= s.high*1.001; decade *= 10 {
		for _, m := range []float64{1, 2, 5} {
			// Over several decades their beginnings are enough.
			if t := decade * m; t >= s.low*0.999 && t <= s.high*1.001 && (m == 1 || s.high/s.low <= 200) {
				s.ticks = append(s.ticks, t)
			}
		}
	}
	return s
}

// step is the nearest of 1, 2, 5, 10 and so on that is not above x, or not below.
func step(x float64, round func(float64) float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(x)+1e-9))
	steps := []float64{1, 2, 5, 10}
	if round(0.5) == 0 {
		slices.Reverse(steps)
		for _, m := range steps {
			if decade*m <= x*1.0001 {
				return decade * m
			}
		}
	}
	for _, m := range steps {
		if decade*m >= x*0.9999 {
			return decade * m
		}
	}
	return x
}

func (s scale) at(x float64) float64 {
	return s.from + (s.to-s.from)*math.Log(x/s.low)/math.Log(s.high/s.low)
}

// short writes a round number.
func short(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%gM", round(x/1e6))
	case x >= 1e4:
		return fmt.Sprintf("%gk", round(x/1e3))
	}
	return fmt.Sprintf("%g", round(x))
}

// round takes away what multiplication has left behind the digits that count.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }
