package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sidecarless/mesh/bench/internal/chart"
	"github.com/sidecarless/mesh/bench/internal/macro"
)

// A growth is a chart of how costs grow with the configuration.
type growth struct {
	file, title, x string
	families       []string // as in familyOf; ours first
}

var growths = []growth{
	{"routes-by-path.svg", "Finding a route by its path", "routes",
		[]string{"Route/ours-path", "Route/servemux", "Route/chi", "Route/httprouter"}},
	{"routes-by-header.svg", "Finding a route by a header", "routes",
		[]string{"Route/ours-header", "Route/floor-walk", "Route/floor-hash"}},
	{"hosts.svg", "Finding a route by the host", "hosts",
		[]string{"Route/ours-host", "Route/servemux-host"}},
	{"endpoints.svg", "Picking an endpoint and letting go of it", "endpoints",
		[]string{"Pick/ours-p2c", "Pick/ours-rr", "Pick/ours-ring", "Pick/ours-maglev", "Pick/grpc-p2c", "Pick/grpc-rr", "Pick/grpc-ring"}},
	{"branches.svg", "Drawing one of several branches", "branches",
		[]string{"Split/ours", "Split/floor-search"}},
}

// draw writes a chart of each kind that there are figures for into a folder.
func (rep *report) draw(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	charts := map[string][]byte{}
	for _, g := range growths {
		charts[g.file] = rep.growth(g).SVG()
	}
	for _, shape := range append([]macro.Shape{macro.Base}, macro.Shapes...) {
		file := "systems" + strings.NewReplacer("/", "-", "=", "-").Replace(shape.String()) + ".svg"
		charts[file] = rep.systems(shape).SVG()
	}
	charts["latency.svg"] = rep.latency().SVG()
	for file, svg := range charts {
		if svg == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), svg, 0o666); err != nil {
			return err
		}
	}
	return nil
}

func (rep *report) growth(g growth) chart.Lines {
	c := chart.Lines{Title: g.title, X: "the number of " + g.x, Y: "nanoseconds of CPU time"}
	for _, family := range g.families {
		_, name, _ := strings.Cut(family, "/")
		s := chart.Series{Name: name, Strong: strings.HasPrefix(name, "ours")}
		for _, r := range rep.Benchmarks { // from the smallest to the largest
			if familyOf(r.Name) == family && r.CPU > 0 {
				s.Points = append(s.Points, chart.Point{X: float64(sizeOf(r.Name)), Y: r.CPU})
			}
		}
		if len(s.Points) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

// systems are the whole systems of one shape.
func (rep *report) systems(shape macro.Shape) chart.Bars {
	c := chart.Bars{
		Title: "A request through a whole system" + inWords(shape),
		X:     "microseconds of CPU time of all processes", Parts: []string{"caller and server", "proxies"},
	}
	for _, r := range rep.Systems {
		if name, ok := systemOf(r.Name, shape); ok {
			c.Bars = append(c.Bars, chart.Bar{Name: name, Strong: isOurs(name), Parts: []float64{r.CPU - r.Proxy, r.Proxy}})
		}
	}
	return c
}

func (rep *report) latency() chart.Bars {
	c := chart.Bars{Title: "Latency at 1,000 requests a second", X: "microseconds, at the median and for 99 of 100", Parts: []string{"median", "from there to the 99th percentile"}}
	for _, r := range rep.Systems {
		if name, ok := systemOf(r.Name, macro.Base); ok {
			c.Bars = append(c.Bars, chart.Bar{Name: name, Strong: isOurs(name), Parts: []float64{r.P50, r.P99 - r.P50}})
		}
	}
	return c
}

func isOurs(name string) bool { return strings.HasPrefix(name, "ours") }

// systemOf is a system's name without kind and shape, if that is its shape.
func systemOf(name string, shape macro.Shape) (string, bool) {
	name = strings.TrimPrefix(name, "Macro/")
	name, found := strings.CutSuffix(name, shape.String())
	return name, found && !strings.Contains(name, "/")
}

func inWords(s macro.Shape) string {
	words := ""
	switch {
	case s.HTTP2 && s.TLS:
		words = ", HTTP/2 with TLS"
	case s.HTTP2:
		words = ", HTTP/2"
	case s.TLS:
		words = ", HTTP/1.1 with TLS"
	case s.Size == 0:
		words = ", answers without a body"
	case s.Size >= 1<<10:
		words = ", answers of " + kibibytes(s.Size)
	}
	return words
}
