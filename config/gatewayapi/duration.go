package gatewayapi

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

var (
	durationForm = regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`)
	durationPart = regexp.MustCompile(`([0-9]+)(h|ms|m|s)`)
)

// parseDuration reads a duration as GEP-2257 defines it: up to four whole numbers
// with the units h, m, s and ms, which are added up.
func parseDuration(s string) (time.Duration, error) {
	if !durationForm.MatchString(s) {
		return 0, fmt.Errorf("is no duration: write it like 10s, 250ms or 1m30s (up to four parts of h, m, s and ms)")
	}
	var sum time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		n, _ := strconv.Atoi(part[1]) // at most five digits
		sum += time.Duration(n) * map[string]time.Duration{"h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond}[part[2]]
	}
	return sum, nil
}

// durationOf is a duration that was checked; none is zero.
func durationOf(s *string) time.Duration {
	d, _ := parseDuration(or(s, "0s"))
	return d
}
