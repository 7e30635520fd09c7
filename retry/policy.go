package retry

import (
	"net/http"
	"sync/atomic"

	"github.com/sidecarless/mesh/internal/expiry"
)

// A Policy repeats requests. It is safe for use by many goroutines, and one
// Policy may serve several transports: they share its budget and counters.
type Policy struct {
	rules  atomic.Pointer[rules]
	own    *Budget // used while the Config names none
	counts counts
	late   quantile     // how long attempts take until the headers of the answer
	drains expiry.Queue // of answers that nobody wants
}

type counts struct {
	retries, rescued, exhausted, overBudget, bodyTooLarge, hedges, hedgesWon, discarded, resent atomic.Uint64
}

// New is a policy for c. The error lists everything that is wrong with it.
func New(c Config) (*Policy, error) {
	p := &Policy{own: newBudget(BudgetConfig{TTL: defaultTTL}), drains: expiry.Queue{After: drainTime}}
	if err := p.Update(c); err != nil {
		return nil, err
	}
	return p, nil
}

// Update replaces the configuration, or does nothing if something is wrong with
// it. Requests under way go on with the one they began with; counters, what was
// observed of answers and a budget of the policy's own stay.
func (p *Policy) Update(c Config) error {
	r, err := compile(c, p.own)
	if err != nil {
		return err
	}
	p.rules.Store(r)
	return nil
}

// Stats are counters since the policy was made.
type Stats struct {
	Retries      uint64 // attempts after a failed one
	Rescued      uint64 // requests that passed at a further attempt
	Exhausted    uint64 // requests that failed with no attempt left
	OverBudget   uint64 // retries and hedges that the budget refused
	BodyTooLarge uint64 // retries that were not possible because a body was not kept
	Hedges       uint64 // attempts beside one under way
	HedgesWon    uint64 // requests answered by one of those
	Discarded    uint64 // bytes of answers that were read and thrown away, those of hedges included
	Resent       uint64 // bytes of requests' bodies that were sent in further attempts and hedges
}

// Stats are the counters now.
func (p *Policy) Stats() Stats {
	c := &p.counts
	return Stats{
		Retries: c.retries.Load(), Rescued: c.rescued.Load(), Exhausted: c.exhausted.Load(),
		OverBudget: c.overBudget.Load(), BodyTooLarge: c.bodyTooLarge.Load(),
		Hedges: c.hedges.Load(), HedgesWon: c.hedgesWon.Load(), Discarded: c.discarded.Load(), Resent: c.resent.Load(),
	}
}

// Transport is the client layer that repeats requests. When no attempt is left
// the last answer is returned, unread, and a failure without an answer as an
// [*Error].
func (p *Policy) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{p, next}
}
