package fault

import (
	"math"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// A Spread is a distribution of delays. Its zero value is none.
type Spread struct {
	kind kind
	a, b time.Duration
	bars []Bar
	sum  uint64
}

type kind uint8

const (
	none kind = iota
	uniform
	normal
	exponential
	histogram
)

// A Bar is a part of a histogram: so many of all delays are up to UpTo, and
// longer than the UpTo of the bar before.
type Bar struct {
	UpTo   time.Duration
	Weight uint32
}

// Uniform spreads delays evenly from shortest to longest.
func Uniform(shortest, longest time.Duration) Spread {
	return Spread{kind: uniform, a: shortest, b: longest}
}

// Normal spreads delays around mean, two thirds of them no further away than
// deviation. Those that would be negative are none.
func Normal(mean, deviation time.Duration) Spread {
	return Spread{kind: normal, a: mean, b: deviation}
}

// Exponential is the spread of waits for something that happens at random: most
// are shorter than mean, and few are many times as long.
func Exponential(mean time.Duration) Spread { return Spread{kind: exponential, a: mean} }

// Histogram spreads delays as they were measured. The bars are in the order of
// their delays; within a bar delays are spread evenly.
func Histogram(bars ...Bar) Spread {
	s := Spread{kind: histogram, bars: bars}
	for _, b := range bars {
		s.sum += uint64(b.Weight)
	}
	return s
}

func (s Spread) zero() bool { return s.kind == none }

func (s Spread) check(l *check.List) {
	l.NotNegative("Delay.Spread", s.a)
	l.NotNegative("Delay.Spread", s.b)
	switch s.kind {
	case uniform:
		if s.b < s.a {
			l.Add("Delay.Spread", s.b, "has its longest delay below its shortest, %v", s.a)
		}
	case histogram:
		if s.sum == 0 {
			l.Add("Delay.Spread", nil, "is a histogram without weight")
		}
		last := time.Duration(0)
		for _, b := range s.bars {
			if b.UpTo < last {
				l.Add("Delay.Spread", b.UpTo, "is a histogram whose bars are not in the order of their delays")
			}
			last = b.UpTo
		}
	}
}

// at is the delay for a draw.
func (s Spread) at(draw uint64) time.Duration {
	switch s.kind {
	case uniform:
		return s.a + time.Duration(unit(draw)*float64(s.b-s.a))
	case normal:
		// Box and Muller's way to a normal distribution from two even ones.
		u, v := unit(draw), unit(mix(draw))
		d := math.Sqrt(-2*math.Log(1-u)) * math.Cos(2*math.Pi*v)
		return max(0, s.a+time.Duration(d*float64(s.b)))
	case exponential:
		return time.Duration(-math.Log(1-unit(draw)) * float64(s.a))
	case histogram:
		left, from := draw%s.sum, time.Duration(0)
		for _, b := range s.bars {
			if left < uint64(b.Weight) {
				return from + time.Duration(unit(mix(draw))*float64(b.UpTo-from))
			}
			left -= uint64(b.Weight)
			from = b.UpTo
		}
	}
	return 0
}

// unit is a draw as a number from 0 to below 1.
func unit(draw uint64) float64 { return float64(draw>>11) / (1 << 53) }

// mix makes further draws of one (the finalizer of SplitMix64).
func mix(draw uint64) uint64 {
	draw += 0x9e3779b97f4a7c15
	draw = (draw ^ draw>>30) * 0xbf58476d1ce4e5b9
	draw = (draw ^ draw>>27) * 0x94d049bb133111eb
	return draw ^ draw>>31
}
