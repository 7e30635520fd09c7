package timeout

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh/internal/grpc"
)

// The headers by which hops tell each other about time, as net/http spells them.
const (
	wishHeader     = "X-Envoy-Upstream-Rq-Timeout-Ms" // what a client wants its proxy to wait
	expectedHeader = "X-Envoy-Expected-Rq-Timeout-Ms" // how long the hop before will wait
	grpcHeader     = "Grpc-Timeout"
)

// grpcTimeout is the time that a gRPC request gives itself.
func grpcTimeout(r *http.Request) (time.Duration, bool) {
	v := r.Header[grpcHeader]
	if len(v) == 0 || !grpc.Is(r.Header) {
		return 0, false
	}
	return parseGRPC(v[0])
}

// parseGRPC reads a grpc-timeout: one to eight digits and a unit. As Envoy does it
// rounds what is less than a millisecond up.
func parseGRPC(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	var unit time.Duration
	switch s[len(s)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	n, ok := parseCount(s[:len(s)-1])
	return toMillis(times(n, unit)), ok
}

// toMillis rounds d up to whole milliseconds, if that can be written.
func toMillis(d time.Duration) time.Duration {
	if part := d % time.Millisecond; part > 0 && d <= math.MaxInt64-time.Millisecond {
		d += time.Millisecond - part
	}
	return d
}

// formatGRPC writes d as Envoy does: in milliseconds as long as eight digits hold
// them, and then in the next larger unit, cut off.
func formatGRPC(d time.Duration) string {
	const most = 99_999_999
	switch ms := d.Milliseconds(); {
	case ms <= most:
		return strconv.FormatInt(ms, 10) + "m"
	case ms/1000 <= most:
		return strconv.FormatInt(ms/1000, 10) + "S"
	case ms/60_000 <= most:
		return strconv.FormatInt(ms/60_000, 10) + "M"
	default:
		return strconv.FormatInt(ms/3_600_000, 10) + "H"
	}
}

// parseMillis reads a count of milliseconds.
func parseMillis(s string) (time.Duration, bool) {
	n, ok := parseCount(s)
	return times(n, time.Millisecond), ok
}

// parseCount reads digits and nothing else.
func parseCount(s string) (uint64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// times is n units, or the longest duration there is.
func times(n uint64, unit time.Duration) time.Duration {
	if n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64
	}
	return time.Duration(n) * unit
}
