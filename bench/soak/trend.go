package main

import (
	"fmt"
	"math"
)

// A trend is the straight line that fits samples taken at equal distances best.
type trend struct {
	mean   float64
	growth float64 // from the first sample to the last, along the line
	doubt  float64 // the standard error of growth
}

func trendOf(samples []float64) trend {
	n := float64(len(samples))
	var sum float64
	for _, y := range samples {
		sum += y
	}
	mean, middle := sum/n, (n-1)/2
	var xx, xy float64
	for i, y := range samples {
		dx := float64(i) - middle
		xx += dx * dx
		xy += dx * (y - mean)
	}
	slope := xy / xx
	var residual float64
	for i, y := range samples {
		d := y - mean - slope*(float64(i)-middle)
		residual += d * d
	}
	return trend{mean: mean, growth: slope * (n - 1), doubt: math.Sqrt(residual/(n-2)/xx) * (n - 1)}
}

// flat is nil unless the growth is, beyond doubt, more than a share of the mean and
// some slack.
func (t trend) flat(share, slack float64) error {
	if most := share*t.mean + slack; t.growth-2*t.doubt > most {
		return fmt.Errorf("grew by %.0f from a mean of %.0f, when %.0f is the most", t.growth, t.mean, most)
	}
	return nil
}
