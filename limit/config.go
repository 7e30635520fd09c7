package limit

import (
	"math"
	"net/http"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A Config says how many requests may pass.
type Config struct {
	// Rate is how many requests a second may pass in the long run. It must be set.
	// Envoy's tokens_per_fill every fill_interval are a Rate of the one divided by
	// the other.
	Rate float64

	// Burst is how many may pass at once after a pause, Envoy's max_tokens. Zero is
	// what Rate grants in a second, and at least one.
	Burst int

	// Key tells apart the requests that have buckets of their own; nil is one bucket
	// for all. Requests without the key share the bucket of the empty key.
	Key match.Key

	// MaxKeys is how many keys have a bucket at the same time; zero is 10,000. The
	// least used are forgotten first, each some 180 bytes. Large numbers are spread
	// over parts of the memory that fill unevenly, so that a few per cent of room
	// may be left. A caller who can choose its key can make the limiter forget: a
	// key should be something verified, or MaxKeys large.
	MaxKeys int

	// Exempt describes requests that always pass and take no token, such as those
	// for health. One description has to fit.
	Exempt []match.Request

	// Status is what those get who are refused, 400 to 599; zero is 429.
	Status int

	// Header is added to refusals, Envoy's response_headers_to_add.
	Header http.Header

	// Headers adds x-ratelimit-limit, -remaining and -reset to what a Handler
	// answers, and to refusals: the burst, the tokens left, and the seconds until
	// there is another one, zero while there is one.
	Headers bool

	// ResourceExhausted tells gRPC callers that are refused the status 8,
	// RESOURCE_EXHAUSTED, in place of Envoy's 14, UNAVAILABLE, which clients retry.
	ResourceExhausted bool

	// DryRun refuses nothing: what would have been refused is counted.
	DryRun bool
}

const defaultMaxKeys = 10_000

// A settings is a compiled Config.
type settings struct {
	Config
	exempt *match.Matcher // nil for none
	limit  rate.Limit
	burst  []string // as a header's value
}

func compile(c Config) (*settings, error) {
	l := check.List{Prefix: "limit"}
	if !(c.Rate > 0) || math.IsInf(c.Rate, 1) {
		l.Add("Rate", c.Rate, "must be a number of requests a second above 0")
	}
	if c.Burst < 0 {
		l.Add("Burst", c.Burst, "must not be negative")
	}
	if c.MaxKeys < 0 {
		l.Add("MaxKeys", c.MaxKeys, "must not be negative")
	}
	if c.MaxKeys > 0 && c.Key == nil {
		l.Add("MaxKeys", c.MaxKeys, "stands without Key; one bucket needs no bound")
	}
	if c.Status == 0 {
		c.Status = http.StatusTooManyRequests
	} else if c.Status < 400 || c.Status > 599 {
		l.Add("Status", c.Status, "must be 400 to 599, since the request is refused")
	}
	s := &settings{Config: c, limit: rate.Limit(c.Rate)}
	if len(c.Exempt) > 0 {
		var err error
		s.exempt, err = match.New(c.Exempt...)
		l.Include("Exempt", err)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	if s.Burst == 0 {
		s.Burst = int(min(max(math.Ceil(c.Rate), 1), math.MaxInt32))
	}
	if s.MaxKeys == 0 {
		s.MaxKeys = defaultMaxKeys
	}
	s.burst = []string{strconv.Itoa(s.Burst)}
	return s, nil
}
