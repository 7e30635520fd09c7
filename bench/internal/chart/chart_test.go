package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// wellFormed reads an SVG as XML, and is its texts.
func wellFormed(t *testing.T, svg []byte) []string {
	t.Helper()
	var texts []string
	in := false
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			in = token.Name.Local == "text"
			for _, a := range token.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s %s=%q>", token.Name.Local, a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			if in {
				texts = append(texts, string(token))
			}
		case xml.EndElement:
			in = false
		}
	}
}

func TestChartsAreXMLAndNameWhatTheyShow(t *testing.T) {
	lines := Lines{Title: "a < b & c", X: "routes", Y: "ns", Series: []Series{
		{Name: "one", Points: []Point{{10, 16}, {100, 17}, {10_000, 20}}, Strong: true},
		{Name: "two", Points: []Point{{10, 56}, {10_000, 40_144}}},
		{Name: "single", Points: []Point{{10, 1}}},
	}}
	bars := Bars{Title: "a < b & c", X: "us", Parts: []string{"own", "others"}, Bars: []Bar{
		{Name: "one", Parts: []float64{30, 0}, Strong: true}, {Name: "two", Parts: []float64{30, 92.5}},
	}}
	for name, tt := range map[string]struct {
		svg  []byte
		says []string
	}{
		"lines":       {lines.SVG(), []string{"a < b & c", "ns, over routes", "one", "two", "single", "10", "10k"}},
		"bars":        {bars.SVG(), []string{"a < b & c", "us", "own", "others", "one", "two", "30.0", "122"}},
		"equal lines": {Lines{Series: []Series{{Name: "x", Points: []Point{{5, 5}, {5, 5}}}}}.SVG(), []string{"x"}},
	} {
		texts := strings.Join(wellFormed(t, tt.svg), "\n") + "\n"
		for _, want := range tt.says {
			if !strings.Contains(texts, want+"\n") {
				t.Errorf("%s: %q is not said among\n%s", name, want, texts)
			}
		}
	}
}

func TestNothingIsDrawnOfNothing(t *testing.T) {
	if (Lines{}).SVG() != nil || (Bars{Bars: []Bar{{Name: "none"}}}).SVG() != nil {
		t.Error("a chart of nothing")
	}
}

func TestNamesOfLinesKeepApart(t *testing.T) {
	all := apart([]label{{y: 300}, {y: 100}, {y: 101}, {y: 399}, {y: 400}}, 0, 400)
	for i := 1; i < len(all); i++ {
		if d := all[i].y - all[i-1].y; d < 16 {
			t.Errorf("names %d and %d are %v apart", i-1, i, d)
		}
	}
	if last := all[len(all)-1].y; last > 400 {
		t.Errorf("the last is at %v", last)
	}
}

func TestAxesBeginAndEndAtRoundNumbers(t *testing.T) {
	for x, want := range map[float64][2]float64{
		1: {1, 1}, 1.5: {1, 2}, 2: {2, 2}, 3: {2, 5}, 7: {5, 10}, 16: {10, 20}, 99: {50, 100}, 40_144: {20_000, 50_000}, 0.3: {0.2, 0.5},
	} {
		if low, high := step(x, math.Floor), step(x, math.Ceil); math.Abs(low/want[0]-1) > 1e-9 || math.Abs(high/want[1]-1) > 1e-9 {
			t.Errorf("%v lies between %v and %v, not %v", x, low, high, want)
		}
	}
}
