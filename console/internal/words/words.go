package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PerSecond is a rate in words.
func PerSecond(r float64) string {
	switch {
	case r == 0:
		return "0/s"
	case r >= 100:
		return strconv.FormatFloat(r, 'f', 0, 64) + "/s"
	case r >= 10:
		return strconv.FormatFloat(r, 'f', 1, 64) + "/s"
	}
	return strconv.FormatFloat(r, 'f', 2, 64) + "/s"
}

// Percent is a share of a hundred in words. What is not zero does not look like it.
func Percent(p float64) string {
	switch {
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "< 0.01 %"
	case p >= 10 || p == float64(int(p)):
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return strconv.FormatFloat(p, 'g', 2, 64) + " %"
}

// Short is a duration with as many digits as anybody reads.
func Short(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return d.Round(time.Minute).String()
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// Ago is how long something is over, in words.
func Ago(now, then time.Time) string {
	switch d := now.Sub(then); {
	case then.IsZero():
		return "never"
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return then.Format("2006-01-02")
}

// Clock is the time of day.
func Clock(t time.Time) string { return t.Format("15:04:05") }

// Cut shortens a text to a number of characters.
func Cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// ShortName is an upstream's name as people say it: Envoy's names carry more than
// they need. A subset stands behind a space.
func ShortName(name string) string {
	parts := strings.SplitN(name, "|", 4)
	if len(parts) < 4 || parts[0] != "outbound" && parts[0] != "inbound" {
		return name
	}
	if parts[0] == "inbound" {
		return "this process, port " + parts[1]
	}
	host := strings.TrimSuffix(parts[3], ".svc.cluster.local") + ":" + parts[1]
	if parts[2] != "" {
		host += " " + parts[2]
	}
	return host
}

// Plural is a number with what it counts.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// FirstLine is the first line of a text.
func FirstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// Milliseconds is a duration in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
