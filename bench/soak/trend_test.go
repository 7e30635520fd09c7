package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func line(n int, at func(i int) float64) []float64 {
	y := make([]float64, n)
	for i := range y {
		y[i] = at(i)
	}
	return y
}

func TestATrendIsTheLineThroughPointsOnALine(t *testing.T) {
	got := trendOf(line(11, func(i int) float64 { return 100 + 3*float64(i) }))
	if got.mean != 115 || math.Abs(got.growth-30) > 1e-9 || got.doubt > 1e-6 {
		t.Errorf("%+v, not a growth of 30 around 115 without doubt", got)
	}
}

// The least squares of a line through 0, 0, 0, 4 are known: its slope is 1.2, and
// the squares that are left are 4.8.
func TestATrendKnowsItsDoubt(t *testing.T) {
	got := trendOf([]float64{0, 0, 0, 4})
	if want := math.Sqrt(4.8/2/5) * 3; math.Abs(got.growth-3.6) > 1e-9 || math.Abs(got.doubt-want) > 1e-9 {
		t.Errorf("%+v, not a growth of 3.6 ± %v", got, want)
	}
}

func TestOnlyWhatGrowsBeyondDoubtIsNotFlat(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	for name, tt := range map[string]struct {
		samples []float64
		flat    bool
	}{
		"constant": {line(50, func(int) float64 { return 1000 }), true},
		"noise":    {line(50, func(int) float64 { return 900 + 200*draw.Float64() }), true},
		"falls":    {line(50, func(i int) float64 { return 1000 - 10*float64(i) }), true},
		"within":   {line(50, func(i int) float64 { return 1000 + float64(i) }), true},
		"grows":    {line(50, func(i int) float64 { return 1000 + 3*float64(i) }), false},
		"grows under noise": {line(50, func(i int) float64 {
			return 1000 + 6*float64(i) + 100*draw.Float64()
		}), false},
	} {
		if err := trendOf(tt.samples).flat(0.05, 10); (err == nil) != tt.flat {
			t.Errorf("%s: %v", name, err)
		}
	}
}
