package retry

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// A Config says what a [Policy] repeats and how. Its zero value is one retry of
// what is safe to repeat after failures without an answer.
type Config struct {
	// Attempts is how many may follow the first: zero is 1, negative is none.
	Attempts int

	// PerTry bounds each attempt, the first included, from when the body of the
	// request has been sent until the headers of the answer. Zero is no bound. A
	// bound that would end after the one on the whole request does not count.
	PerTry time.Duration

	// On are the failures that are worth another attempt. Nil is [ConnectFailure],
	// [RefusedStream] and [Reset]; an empty list is none but Statuses.
	On []Condition

	// Statuses are answers that are worth another attempt, with or without
	// [StatusCodes] in On.
	Statuses []int

	// AnswerHeaders are what [AnswerHeaders] in On looks for: one that fits is
	// enough, whatever the status.
	AnswerHeaders []HeaderMatch

	// RequestHeaders restrict the policy to requests that one of them fits, as
	// Envoy's retriable_request_headers. Empty is all requests.
	RequestHeaders []HeaderMatch

	// Unsafe repeats also what is not idempotent and may have been acted on, as
	// Envoy does.
	Unsafe bool

	// Overloaded repeats also answers with the header x-envoy-overloaded, by which
	// an Envoy says that it refused the request because of its limits. Envoy itself
	// repeats them.
	Overloaded bool

	// Backoff is the wait before another attempt that no server asked for.
	Backoff Backoff

	// MaxRetryAfter bounds the wait that a server may ask for in an answer of 429
	// or 503, by Retry-After or else by X-RateLimit-Reset, both in seconds or as a
	// date. Up to half of it is added at random. Zero is 30 s; negative pays no heed
	// to such wishes. A longer wish, or one for which no time is left, means that
	// the answer is returned at once; with IgnoreLongWishes it is not obeyed, as in
	// Envoy.
	MaxRetryAfter    time.Duration
	IgnoreLongWishes bool

	// WaitOut begins also a wait for which too little time is left: the request
	// then fails with its bound, as in Envoy. Otherwise the last answer or failure
	// is returned at once.
	WaitOut bool

	// MaxBody is how much of a body without GetBody is kept so that it can be sent
	// again. Zero is 64 KiB, negative nothing.
	MaxBody int64

	// SameHost lets a retry go to a host that was tried before. Otherwise hosts that
	// were tried are left out as long as there is another one; if HostPicks is
	// positive the balancer only picks that many times more for one, as Envoy's
	// host_selection_retry_max_attempts.
	SameHost  bool
	HostPicks int

	// OtherPriorities, if positive, is after how many attempts the priorities tried
	// so far are left out, as Envoy's previous_priorities.
	OtherPriorities int

	// Hedge sends a request again while an answer is late. Its zero value does not.
	Hedge Hedge

	// Budget bounds retries and hedges together; policies that lead to the same
	// servers should share one. Nil is one of the policy's own, with a fifth of the
	// requests of the last ten seconds and at least 10 a second.
	Budget *Budget

	// TellAttempt tells servers in x-envoy-attempt-count which attempt they see.
	TellAttempt bool

	// ObeyHeaders takes a caller's wishes from x-envoy-max-retries,
	// x-envoy-retry-on, x-envoy-retry-grpc-on, x-envoy-retriable-status-codes,
	// x-envoy-retriable-header-names and x-envoy-upstream-rq-per-try-timeout-ms, and
	// removes these headers, as Envoy does for internal callers.
	ObeyHeaders bool

	// Chain keeps retries from multiplying along a chain of services: a call made
	// while serving a request that is itself a retry is not repeated, and is marked
	// in turn. It implies TellAttempt, whose header carries the mark, and works
	// where the server's handler is wrapped by [Handler] or another layer of this
	// module that keeps a record of requests.
	Chain bool

	// Rand draws 64 random bits for the waits, for a run that is to be repeated; it
	// is called by many goroutines at once. Nil is math/rand/v2.
	Rand func() uint64
}

// A Backoff is how long to wait before another attempt: at random between zero
// and Base before the first retry, twice that before the second and so on, up to
// Max.
type Backoff struct {
	Base time.Duration // zero is 25 ms
	Max  time.Duration // zero is ten times Base
	Min  time.Duration // no wait is shorter; zero is none
}

// A Hedge sends a request a second time when its answer is late, and takes the
// answer that comes first. It applies to requests that are safe to repeat and
// whose body, if any, has a GetBody, whatever Config.Unsafe says, and counts
// against the budget. The attempts that lose are cancelled.
//
// An attempt that may get company belongs to the policy that hedges: policies inside,
// such as an upstream's own, let it pass and neither repeat nor bound it.
type Hedge struct {
	// After is when an answer is late; zero is no hedging unless Quantile is set.
	After time.Duration

	// Quantile, such as 0.95, says that an answer is late when it takes longer than
	// that share of the answers seen by the policy. Until it has seen enough, After
	// holds, or no request is hedged.
	Quantile float64

	// Max is how many attempts may be added to each; zero is one.
	Max int
}

func (h Hedge) on() bool { return h.After > 0 || h.Quantile > 0 }

const (
	defaultBase          = 25 * time.Millisecond
	defaultMaxFactor     = 10
	defaultMaxRetryAfter = 30 * time.Second
	defaultMaxBody       = 64 << 10
)

// defaultOn is what is repeated where nothing is said.
const defaultOn = onConnectFailure | onRefusedStream | onReset

// rules are a Config with all defaults, ready for use.
type rules struct {
	config   Config
	on       conditions
	statuses statusSet
	budget   *Budget
	waits    []time.Duration // the upper bounds of those before retries; the last is that of all further ones

	// plain says that a first attempt without a body needs nothing but to be sent.
	plain bool
}

func compile(c Config, own *Budget) (*rules, error) {
	l := check.List{Prefix: "retry"}
	r := &rules{config: c, budget: c.Budget}
	if r.budget == nil {
		r.budget = own
	}
	r.on = defaultOn
	if c.On != nil {
		r.on = 0
		for i, condition := range c.On {
			if condition.bit() == 0 {
				l.Add(fmt.Sprintf("On[%d]", i), string(condition), "is no condition for retries")
			}
		}
		r.on = setOf(c.On)
	}
	for i, status := range c.Statuses {
		if !validStatus(status) {
			l.Add(fmt.Sprintf("Statuses[%d]", i), status, "is no status code: it must be 100 to 599")
			continue
		}
		r.on |= onStatusCodes
		r.statuses.add(status)
	}
	r.config.AnswerHeaders = canonical(&l, "AnswerHeaders", c.AnswerHeaders)
	r.config.RequestHeaders = canonical(&l, "RequestHeaders", c.RequestHeaders)
	r.config.defaults(&l)
	if c.Attempts < 0 {
		r.on = 0
	}
	r.waits = r.config.Backoff.intervals()
	r.config.TellAttempt = c.TellAttempt || c.Chain
	r.plain = c.PerTry == 0 && !c.Hedge.on() && !r.config.TellAttempt && !c.ObeyHeaders && !r.budget.countsActive()
	if err := l.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// defaults checks c and fills in what was left open.
func (c *Config) defaults(l *check.List) {
	if c.Attempts == 0 {
		c.Attempts = 1
	}
	if c.Rand == nil {
		c.Rand = rand.Uint64
	}
	l.NotNegative("PerTry", c.PerTry)
	l.NotNegative("Backoff.Base", c.Backoff.Base)
	l.NotNegative("Backoff.Max", c.Backoff.Max)
	l.NotNegative("Backoff.Min", c.Backoff.Min)
	if c.Backoff.Base == 0 {
		c.Backoff.Base = defaultBase
		if c.Backoff.Max > 0 {
			c.Backoff.Base = min(defaultBase, c.Backoff.Max)
		}
	}
	if c.Backoff.Max == 0 {
		c.Backoff.Max = defaultMaxFactor * c.Backoff.Base
	}
	if c.Backoff.Max > 0 && c.Backoff.Max < c.Backoff.Base {
		l.Add("Backoff.Max", c.Backoff.Max, "is below the base of %v", c.Backoff.Base)
	}
	if c.MaxRetryAfter == 0 {
		c.MaxRetryAfter = defaultMaxRetryAfter
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.HostPicks < 0 {
		l.Add("HostPicks", c.HostPicks, "must not be negative")
	}
	if c.OtherPriorities < 0 {
		l.Add("OtherPriorities", c.OtherPriorities, "must not be negative")
	}
	l.NotNegative("Hedge.After", c.Hedge.After)
	if !(c.Hedge.Quantile >= 0 && c.Hedge.Quantile < 1) {
		l.Add("Hedge.Quantile", c.Hedge.Quantile, "must be at least 0 and below 1")
	}
	if c.Hedge.Max < 0 {
		l.Add("Hedge.Max", c.Hedge.Max, "must not be negative")
	}
	if c.Hedge.Max == 0 {
		c.Hedge.Max = 1
	}
}

// canonical is list with the names as net/http spells them.
func canonical(l *check.List, field string, list []HeaderMatch) []HeaderMatch {
	var out []HeaderMatch
	for i, m := range list {
		if m.Name == "" {
			l.Add(fmt.Sprintf("%s[%d].Name", field, i), m.Name, "must be the name of a header")
		}
		m.Name = http.CanonicalHeaderKey(m.Name)
		out = append(out, m)
	}
	return out
}
