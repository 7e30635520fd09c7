package breaker

import (
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// A Config says what a [Breaker] refuses. Its zero value refuses nothing.
type Config struct {
	// Name is what is protected, for errors and changes; it may be empty.
	Name string

	// Trip says when failures open the circuit, so that for a while everything is
	// refused at once.
	Trip Trip

	// Limits bound what is under way at a time.
	Limits LimitsConfig

	// Adaptive bounds what is under way by what latency shows can be taken.
	Adaptive Adaptive

	// Key gives each key a circuit of its own, such as [PerEndpoint], [PerRoute] or
	// a match.Key. Requests without a key share one. Limits hold for all keys
	// together.
	Key func(*http.Request) (key string, ok bool)

	// MaxKeys is how many circuits are kept; the one used least recently goes first,
	// and any that was not used for ten minutes. Zero is 10,000.
	MaxKeys int

	// Changed, if set, is told when a circuit opens or closes, one change after the
	// other and in their order. It is called on the goroutine of a request, holds no
	// lock, and may call anything.
	Changed func(Change)

	// Fallback, if set, answers what a client's layer refuses. It gets the request
	// with its body unread and the [*mesh.Error] that would have been returned, and
	// has to close the body.
	Fallback func(r *http.Request, refused error) (*http.Response, error)

	// DryRun counts what the circuit would refuse and refuses nothing.
	DryRun bool
}

// Trip says when a circuit opens and how it closes again. Its zero value never
// opens. An open circuit refuses everything for the time Open. Then it is half
// open: it lets Probes requests through at a time, opens again if one of them
// fails, and closes when Probes of them in a row have succeeded. A probe that has
// no result after another time of Open counts as failed.
type Trip struct {
	// Consecutive opens the circuit after so many failures in a row, however far
	// they lie apart. Zero is never.
	Consecutive uint32

	// Ratio opens the circuit when at least this share of the requests of the last
	// Window have failed. Zero is never.
	Ratio mesh.Fraction

	// SlowerThan is when a request counts as slow, from its start to the end of the
	// answer's body, and SlowRatio opens the circuit when at least this share of the
	// requests of the last Window were slow. A slow probe counts as failed. Both or
	// none.
	SlowerThan time.Duration
	SlowRatio  mesh.Fraction

	// MinRequests is how many requests the Window must hold for a ratio to mean
	// anything. Zero is 20.
	MinRequests uint32

	// Window is the time that ratios look back on; it moves on by tenths. Zero is 10
	// s.
	Window time.Duration

	// Open is how long the circuit stays open. Zero is 30 s.
	Open time.Duration

	// Probes is how many requests may try a half-open circuit. Zero is 1.
	Probes uint32

	// Failure decides which outcomes count as failures, of those that the upstream
	// had a part in: it is not asked about requests that the caller gave up or that
	// we refused. Nil is those of kind [mesh.Failure].
	Failure func(mesh.Outcome) bool
}

const (
	defaultMinRequests = 20
	defaultWindow      = 10 * time.Second
	defaultOpen        = 30 * time.Second
	defaultMaxKeys     = 10_000
	keyIdle            = 10 * time.Minute
)

// trips reports whether anything opens the circuit.
func (t *Trip) trips() bool { return t.Consecutive > 0 || t.windowed() }

// windowed reports whether a window is kept.
func (t *Trip) windowed() bool { return t.Ratio > 0 || t.SlowRatio > 0 }

func (t Trip) withDefaults() Trip {
	if t.MinRequests == 0 {
		t.MinRequests = defaultMinRequests
	}
	if t.Window == 0 {
		t.Window = defaultWindow
	}
	if t.Open == 0 {
		t.Open = defaultOpen
	}
	t.Probes = max(t.Probes, 1)
	if t.Failure == nil {
		t.Failure = isFailure
	}
	return t
}

func isFailure(o mesh.Outcome) bool { return o.Kind == mesh.Failure }

func (t *Trip) check(l *check.List) {
	l.Share("Trip.Ratio", t.Ratio)
	l.Share("Trip.SlowRatio", t.SlowRatio)
	l.NotNegative("Trip.SlowerThan", t.SlowerThan)
	l.NotNegative("Trip.Window", t.Window)
	l.NotNegative("Trip.Open", t.Open)
	if (t.SlowerThan > 0) != (t.SlowRatio > 0) {
		l.Add("Trip.SlowRatio", t.SlowRatio, "SlowerThan and SlowRatio go together")
	}
	if t.Window > 0 && t.Window < windowParts {
		l.Add("Trip.Window", t.Window, "must be at least %d ns", windowParts)
	}
	if t.trips() {
		return
	}
	for _, f := range [...]struct {
		name string
		set  bool
	}{
		{"MinRequests", t.MinRequests > 0}, {"Window", t.Window > 0}, {"Open", t.Open > 0},
		{"Probes", t.Probes > 0}, {"Failure", t.Failure != nil},
	} {
		if f.set {
			l.Add("Trip."+f.name, nil, "has no effect: neither Consecutive, Ratio nor SlowRatio is set")
		}
	}
}

func (c *Config) check() error {
	l := check.List{Prefix: "breaker"}
	c.Trip.check(&l)
	c.Limits.check(&l, "Limits.")
	c.Adaptive.check(&l)
	if c.MaxKeys < 0 {
		l.Add("MaxKeys", c.MaxKeys, "must not be negative")
	}
	if c.Key == nil && c.MaxKeys > 0 {
		l.Add("MaxKeys", c.MaxKeys, "has no effect without Key")
	}
	if !c.Trip.trips() {
		if c.Key != nil {
			l.Add("Key", nil, "has no effect without a Trip")
		}
		if c.DryRun {
			l.Add("DryRun", true, "has no effect without a Trip")
		}
	}
	return l.Err()
}
