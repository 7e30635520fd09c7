package access

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// A timePart appends one part of a time.
type timePart func(dst []byte, t time.Time) []byte

// layouts are the directives of strftime that package time has.
var layouts = map[string]string{
	"Y": "2006", "y": "06", "m": "01", "d": "02", "e": "_2", "j": "002", "H": "15", "I": "03", "M": "04", "S": "05",
	"a": "Mon", "A": "Monday", "b": "Jan", "h": "Jan", "B": "January", "p": "PM", "P": "pm", "Z": "MST", "z": "-0700", "Ez": "-07:00",
	"T": "15:04:05", "X": "15:04:05", "R": "15:04", "r": "03:04:05 PM", "F": "2006-01-02", "D": "01/02/06", "x": "01/02/06",
	"c": "Mon Jan _2 15:04:05 2006", "E4Y": "2006", "E*S": "05.999999999",
}

// startTime is START_TIME with a format: that of strftime, as Envoy reads it, with
// %f and %3f for fractions of a second and %s for the seconds since 1970. The time
// is UTC.
func startTime(format string) (command, error) {
	var parts []timePart
	for rest := format; rest != ""; {
		literal, after, found := strings.Cut(rest, "%")
		if literal != "" {
			parts = append(parts, func(dst []byte, _ time.Time) []byte { return append(dst, literal...) })
		}
		if !found {
			break
		}
		directive := directiveOf(after)
		part := partOf(directive)
		if part == nil {
			return command{}, errors.New("has a directive that is not known here: %" + directive)
		}
		parts, rest = append(parts, part), after[len(directive):]
	}
	return command{value: func(dst []byte, r *Record) []byte {
		start := r.Start.UTC()
		for _, part := range parts {
			dst = part(dst, start)
		}
		return dst
	}}, nil
}

// directiveOf is the directive that s begins with: a letter, behind a digit as in
// "3f" or E and a digit or star as in "E3S".
func directiveOf(s string) string {
	n := 0
	if strings.HasPrefix(s, "E") {
		n++
	}
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || n == 1 && s[n] == '*') {
		n++
	}
	return s[:min(n+1, len(s))]
}

// partOf is what a directive stands for, nil if that is not known.
func partOf(directive string) timePart {
	if layout, ok := layouts[directive]; ok {
		return func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, layout) }
	}
	switch directive {
	case "%":
		return func(dst []byte, _ time.Time) []byte { return append(dst, '%') }
	case "s":
		return func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.Unix(), 10) }
	case "f":
		return fraction(9)
	}
	counts := func(c byte) bool { return '1' <= c && c <= '9' }
	switch n := len(directive); {
	case n == 2 && directive[1] == 'f' && counts(directive[0]):
		return fraction(int(directive[0] - '0'))
	case n == 3 && directive[0] == 'E' && directive[2] == 'S' && counts(directive[1]):
		layout := "05." + strings.Repeat("0", int(directive[1]-'0'))
		return func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, layout) }
	}
	return nil
}

// fraction is that of a second, with so many digits.
func fraction(digits int) timePart {
	layout := "." + strings.Repeat("0", digits)
	return func(dst []byte, t time.Time) []byte {
		point := len(dst)
		dst = t.AppendFormat(dst, layout)
		return append(dst[:point], dst[point+1:]...)
	}
}
