package mesh

import (
	"math"
	"strconv"
)

// A Fraction is a share of requests in parts per million, the finest that Envoy
// draws. Zero is none of them and [Always] all.
type Fraction uint32

// Always is the share that takes in every request.
const Always Fraction = 1_000_000

// invalidFraction stands for a percentage that is none. It is kept rather than
// clamped, so that the constructor that gets it can report it.
const invalidFraction Fraction = math.MaxUint32

// Percent is the share of p per cent, cut off (not rounded) at a millionth as
// Istio does: Percent(0.1) is one request in a thousand. A p outside of 0 to 100,
// or NaN, makes a Fraction that is not [Fraction.Valid]; the constructor that
// gets it says so.
func Percent(p float64) Fraction {
	if !(p >= 0 && p <= 100) {
		return invalidFraction
	}
	// 0.29*10000 is 2899.9999… in binary; a nudge far below a millionth keeps what
	// a person wrote.
	return Fraction(p*10_000 + 1e-6)
}

// Valid reports whether f is a share, that is at most [Always].
func (f Fraction) Valid() bool { return f <= Always }

// Hit reports whether a request with this draw is in the share. A draw is a
// number of 64 random bits; equal draws get equal answers.
func (f Fraction) Hit(draw uint64) bool { return draw%uint64(Always) < uint64(f) }

// String is the share in per cent, such as "12.5%".
func (f Fraction) String() string {
	if !f.Valid() {
		return "invalid"
	}
	return strconv.FormatFloat(float64(f)/10_000, 'f', -1, 64) + "%"
}
