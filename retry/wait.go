package retry

import (
	"math"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// wait is how long to wait after a, and whether that is worth it.
func (r *rules) wait(a Attempt, draw uint64) (time.Duration, bool) {
	if r.config.MaxRetryAfter >= 0 && a.Answer != nil && mayWish(a.Answer.StatusCode) {
		if wish, ok := wished(a.Answer.Header, a.Now); ok {
			switch {
			case wish <= r.config.MaxRetryAfter && a.fits(wish):
				extra := wish / 2
				if a.Left > 0 {
					extra = min(extra, a.Left-wish)
				}
				return wish + share(extra, draw), true
			case !r.config.IgnoreLongWishes:
				return wish, false
			}
		}
	}
	wait := max(share(r.waits[min(a.N, len(r.waits))-1], draw), r.config.Backoff.Min)
	return wait, r.config.WaitOut || a.fits(wait)
}

// mayWish reports whether an answer of this status can ask for a wait.
func mayWish(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// fits reports whether there is time for a wait.
func (a *Attempt) fits(wait time.Duration) bool { return a.Left <= 0 || wait < a.Left }

// share is a part of d that is uniform in [0, d) when the draw is.
func share(d time.Duration, draw uint64) time.Duration {
	hi, _ := bits.Mul64(uint64(max(d, 0)), draw)
	return time.Duration(hi)
}

// intervals are the upper bounds of the waits before retries, until they no longer
// grow.
func (b Backoff) intervals() []time.Duration {
	e := backoff.ExponentialBackOff{
		InitialInterval: b.Base,
		Multiplier:      2,
		MaxInterval:     b.Max,
		Clock:           stopped{},
	}
	e.Reset()
	waits := []time.Duration{e.NextBackOff()}
	for last := waits[0]; last > 0 && last < b.Max; {
		last = e.NextBackOff()
		waits = append(waits, last)
	}
	return waits
}

// stopped is a clock for a backoff that has no end.
type stopped struct{}

// Now implements backoff.Clock.
func (stopped) Now() time.Time { return time.Time{} }

// wished is how long a server asks to wait: by Retry-After, in seconds or as a
// date (RFC 9110 section 10.2.3), or by X-RateLimit-Reset, in seconds or as Unix
// time. A date that has passed is no wait. Of several lines the first counts.
func wished(h http.Header, now time.Time) (time.Duration, bool) {
	if v := h["Retry-After"]; len(v) > 0 {
		s := strings.TrimSpace(v[0])
		if d, ok := seconds(s); ok {
			return d, true
		}
		if at, err := http.ParseTime(s); err == nil {
			return max(0, at.Sub(now)), true
		}
	}
	// Nobody asks to wait for sixteen years: what is more is Unix time.
	const sinceEpoch = 500_000_000
	if v := h["X-Ratelimit-Reset"]; len(v) > 0 {
		d, ok := seconds(strings.TrimSpace(v[0]))
		if ok && d >= sinceEpoch*time.Second {
			d = max(0, d-time.Duration(now.UnixNano()))
		}
		return d, ok
	}
	return 0, false
}

// seconds reads a whole number of them; one beyond what a Duration can hold is
// as much as it can hold.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > int64(math.MaxInt64/time.Second) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * time.Second, true
}
