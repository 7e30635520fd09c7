package retry

import (
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// A BudgetConfig says how many retries and hedges there may be beside first
// attempts. There are three forms:
//
//   - MaxConcurrent alone: so many at once, as Envoy's max_retries.
//   - TTL or PerSecond set: in the last TTL at most Percent of its requests, and at
//     least PerSecond for each second of it, as Linkerd's retry budget.
//   - otherwise: at once at most Percent of the attempts now under way, and at least
//     MinConcurrent, as Envoy's retry_budget.
type BudgetConfig struct {
	Percent       float64       // zero is 20, negative is none
	MinConcurrent int           // zero is 3, negative is none
	MaxConcurrent int           // zero is not this form, negative is no retry at all
	PerSecond     float64       // zero is 10 with a TTL, negative is none
	TTL           time.Duration // zero is 10 s with PerSecond
}

const (
	defaultPercent       = 20
	defaultMinConcurrent = 3
	defaultPerSecond     = 10
	defaultTTL           = 10 * time.Second
)

// A Budget bounds retries and hedges, so that servers that fail because they are
// overloaded do not get more than they would without retries. It should be
// shared by all policies that lead to the same servers. An empty budget never
// touches attempts under way.
type Budget struct {
	percent float64
	floor   int64
	window  *window // counts requests and retries of the last TTL; nil in the other forms
	limit   int64   // the most at once; negative in the other forms

	active  atomic.Int64 // attempts under way
	retries atomic.Int64 // retries decided on that have not been answered yet
}

// NewBudget is a budget that nobody has drawn on.
func NewBudget(c BudgetConfig) (*Budget, error) {
	l := check.List{Prefix: "retry"}
	if c.Percent != c.Percent {
		l.Add("Percent", c.Percent, "must be a number")
	}
	if c.PerSecond != c.PerSecond {
		l.Add("PerSecond", c.PerSecond, "must be a number")
	}
	l.NotNegative("TTL", c.TTL)
	if c.MaxConcurrent != 0 && (c.Percent != 0 || c.MinConcurrent != 0 || c.PerSecond != 0 || c.TTL != 0) {
		l.Add("MaxConcurrent", c.MaxConcurrent, "is a form of its own: it must be the only field set")
	}
	if (c.PerSecond != 0 || c.TTL != 0) && c.MinConcurrent != 0 {
		l.Add("MinConcurrent", c.MinConcurrent, "does not go with PerSecond and TTL")
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return newBudget(c), nil
}

func newBudget(c BudgetConfig) *Budget {
	b := &Budget{percent: max(0, or(c.Percent, defaultPercent)), limit: -1}
	switch {
	case c.MaxConcurrent != 0:
		b.limit = max(0, int64(c.MaxConcurrent))
	case c.PerSecond != 0 || c.TTL != 0:
		ttl := or(c.TTL, defaultTTL)
		b.floor = int64(max(0, or(c.PerSecond, defaultPerSecond)) * ttl.Seconds())
		b.window = newWindow(ttl)
	default:
		b.floor = int64(max(0, or(c.MinConcurrent, defaultMinConcurrent)))
	}
	return b
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// countsActive reports whether the budget must see the beginning and the end of
// each attempt.
func (b *Budget) countsActive() bool { return b.window == nil && b.limit < 0 }

// requested notes a request, made at now.
func (b *Budget) requested(now time.Time) {
	if b.window != nil {
		b.window.at(now).requests.Add(1)
	}
}

// began notes that an attempt has begun, which must be followed by one call of
// ended.
func (b *Budget) began() { b.active.Add(1) }

// ended notes that an attempt has ended.
func (b *Budget) ended() { b.active.Add(-1) }

// spending is an attempt that a budget has seen begin.
type spending struct{ of *Budget }

// BodyEnded implements body.Ender: the attempt is over.
func (s spending) BodyEnded(error) { s.of.ended() }

// take asks for one retry. If it is granted, done must be called when the retry
// has been answered.
func (b *Budget) take(now time.Time) bool {
	for {
		most, have := b.limit, b.retries.Load()
		spent := have
		switch {
		case b.window != nil:
			var requests int64
			requests, spent = b.window.sums(now)
			most = b.most(requests)
		case most < 0:
			most = b.most(b.active.Load())
		}
		if spent >= most {
			return false
		}
		if b.retries.CompareAndSwap(have, have+1) {
			break
		}
	}
	if b.window != nil {
		b.window.at(now).retries.Add(1)
	}
	return true
}

func (b *Budget) most(requests int64) int64 {
	return max(b.floor, int64(b.percent*float64(requests)/100))
}

// done gives back what take has granted.
func (b *Budget) done() { b.retries.Add(-1) }

// A BudgetStats is the state of a budget.
type BudgetStats struct {
	Active  int // attempts under way, where the budget is a share of them
	Retries int // retries waiting or not answered yet
}

// Stats is the state now.
func (b *Budget) Stats() BudgetStats {
	return BudgetStats{Active: int(b.active.Load()), Retries: int(b.retries.Load())}
}

// Allowed is how many retries there may be now, those included that are waiting or
// not answered yet.
func (b *Budget) Allowed() int {
	switch {
	case b.window != nil:
		requests, spent := b.window.sums(time.Now())
		return int(max(0, b.retries.Load()+b.most(requests)-spent))
	case b.limit < 0:
		return int(b.most(b.active.Load()))
	}
	return int(b.limit)
}
