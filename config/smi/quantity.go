package smi

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sidecarless/mesh"
)

// Bounds of a quantity. That of its value is what fits the weights of proxies.
const (
	maxQuantity = 64 // bytes
	maxExponent = 30
	maxMilli    = (1<<32 - 1) * 1000
)

// ParseQuantity reads a Kubernetes quantity that is not negative, in thousandths:
// "900m" is 900, "1" is 1000, "0.5k" is 500000. What is less than a thousandth is
// rounded up, as Kubernetes does, and white space around it does not count. Unlike
// Kubernetes it asks for a digit, bounds what a text can cost, and refuses what
// does not fit into 32 bits of whole units, where Kubernetes wraps around. The
// error is an [*Error] with the code.
func ParseQuantity(s string) (milli int64, err error) { return Options{}.ParseQuantity(s) }

// ParseQuantity is [ParseQuantity] with these options: a strict quantity has no
// white space around it and is a whole number of thousandths.
func (o Options) ParseQuantity(s string) (milli int64, err error) {
	if !o.Strict {
		s = strings.Trim(s, " \t\r\n")
	}
	milli, code := parseQuantity(s, o.Strict)
	if code != "" {
		shown := s[:min(len(s), maxQuantity)]
		return 0, &Error{&mesh.Problem{Value: shown, Reason: quantityReasons[code]}, code}
	}
	return milli, nil
}

// quantityReasons say what would be right.
var quantityReasons = map[Code]string{
	QuantityEmpty:         "is empty, where a weight such as 900m or 90 belongs",
	QuantityTooLong:       "is longer than 64 bytes",
	QuantityNoDigits:      "has a unit but no digits",
	QuantityFormat:        "is no quantity: write digits and perhaps a unit, such as 900m, 0.9 or 90",
	QuantitySuffix:        "has a unit that does not exist; there are n, u, m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei",
	QuantityExponentRange: "has an exponent beyond 30",
	QuantityNegative:      "must not be negative",
	QuantitySubMilli:      "is finer than a thousandth (1m)",
	QuantityOverflow:      "is more than 4294967295",
}

// parseQuantity works on the digits as they are written, of which there are few,
// and never makes a number as large as an exponent says.
func parseQuantity(s string, strict bool) (milli int64, problem Code) {
	if s == "" {
		return 0, QuantityEmpty
	}
	if len(s) > maxQuantity {
		return 0, QuantityTooLong
	}
	rest, negative := s, false
	if s[0] == '+' || s[0] == '-' {
		rest, negative = s[1:], s[0] == '-'
	}
	whole, rest := cutDigits(rest)
	var fraction string
	if strings.HasPrefix(rest, ".") {
		fraction, rest = cutDigits(rest[1:])
	}
	u, code := parseUnit(rest)
	switch {
	case len(whole)+len(fraction) == 0 && code != "" && code != QuantityExponentRange:
		return 0, QuantityFormat
	case len(whole)+len(fraction) == 0:
		return 0, QuantityNoDigits
	case code != "":
		return 0, code
	case negative:
		return 0, QuantityNegative
	}
	digits := double([]byte(whole+fraction), u.binary)
	// The decimal point stands before the digits of the fraction; thousandths and
	// the unit move it to the right.
	point := len(digits) - len(fraction) + u.decimal + 3
	milli, exact, fits := integer(digits, point)
	switch {
	case strict && !exact:
		return 0, QuantitySubMilli
	case !fits:
		return 0, QuantityOverflow
	}
	return milli, ""
}

func cutDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// A unit is powers of ten and of two.
type unit struct{ decimal, binary int }

var units = map[string]unit{
	"": {}, "n": {decimal: -9}, "u": {decimal: -6}, "m": {decimal: -3}, "k": {decimal: 3}, "M": {decimal: 6},
	"G": {decimal: 9}, "T": {decimal: 12}, "P": {decimal: 15}, "E": {decimal: 18},
	"Ki": {binary: 10}, "Mi": {binary: 20}, "Gi": {binary: 30}, "Ti": {binary: 40}, "Pi": {binary: 50}, "Ei": {binary: 60},
}

// parseUnit reads what follows the digits.
func parseUnit(s string) (u unit, problem Code) {
	if u, known := units[s]; known {
		return u, ""
	}
	if s[0] == 'e' || s[0] == 'E' {
		exponent := s[1:]
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if digits, rest := cutDigits(exponent); digits != "" && rest == "" {
			n, _ := strconv.Atoi(s[1:])
			if len(digits) > 4 || n > maxExponent || n < -maxExponent {
				return u, QuantityExponentRange
			}
			return unit{decimal: n}, ""
		}
	}
	for _, c := range s {
		if c == utf8.RuneError || c != '%' && !unicode.IsLetter(c) {
			return u, QuantityFormat
		}
	}
	return u, QuantitySuffix
}

// double multiplies decimal digits by two, n times.
func double(digits []byte, n int) []byte {
	for range n {
		carry := byte(0)
		for i := len(digits) - 1; i >= 0; i-- {
			d := 2*(digits[i]-'0') + carry
			digits[i], carry = '0'+d%10, d/10
		}
		if carry > 0 {
			digits = append([]byte{'0' + carry}, digits...)
		}
	}
	return digits
}

// integer is the number before the point, rounded up. The point may lie outside
// of the digits.
func integer(digits []byte, point int) (n int64, exact, fits bool) {
	exact = len(bytes.Trim(digits[min(max(point, 0), len(digits)):], "0")) == 0
	for i := range point {
		digit := byte('0')
		if i < len(digits) {
			digit = digits[i]
		}
		if n = n*10 + int64(digit-'0'); n > maxMilli {
			return 0, exact, false
		}
	}
	if !exact {
		n++
	}
	return n, exact, n <= maxMilli
}
