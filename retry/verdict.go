package retry

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// A verdict is a Decision that bodies and budgets agree to.
type verdict struct {
	Decision
	now  time.Time // when it was made
	kind mesh.Kind
	flag mesh.Flag // what is to be said of the request if there is no other attempt
}

// judge says what is to follow an attempt that failed, and gets what another one
// needs: its body, and leave from the budget.
func (c *call) judge(try *flow.Try, res *http.Response, err error, next *sending) verdict {
	now := time.Now()
	c.note(try, res, err, "", now)
	a := Attempt{
		N: c.retries + 1, Method: c.request.Method, Header: c.header, Answer: res,
		Outcome: mesh.OutcomeOf(c.ctx, res, err), Now: now, Left: c.left(now),
	}
	met := c.rules.met(res, a.Outcome)
	v := verdict{Decision: c.rules.decide(met, a, c.rules.config.Rand()), now: now, kind: a.Outcome.Kind}
	switch wanted := v.Again; {
	case (wanted || v.Exhausted) && c.replay != nil && c.replay.spent():
		v.unrepeatable(c)
	case v.Exhausted:
		v.flag = mesh.RetriesExhausted
	case wanted && !c.rules.budget.take(now):
		v.Again = false
		v.flag = mesh.Overflow
		v.Why += ", but the budget for retries is spent"
		c.policy.counts.overBudget.Add(1)
	case wanted && !c.again(next):
		c.rules.budget.done()
		v.unrepeatable(c)
	case wanted:
		c.granted = true
	}
	try.Told.Why = v.Why
	return v
}

func (v *verdict) unrepeatable(c *call) {
	v.Again, v.Exhausted = false, false
	v.Why += ", but its body cannot be sent again"
	c.policy.counts.bodyTooLarge.Add(1)
}

// left is how much time there is for the request, zero for no bound.
func (c *call) left(now time.Time) time.Duration {
	end, ok := c.ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, end.Sub(now))
}

// again gives next the body of the request anew and reports whether that can be
// done.
func (c *call) again(next *sending) bool {
	switch {
	case c.replay != nil:
		if next.reader = c.replay.next(); next.reader == nil {
			return false
		}
		next.body = c.resent(next.reader)
	case c.request.Body != nil && c.request.Body != http.NoBody:
		body, err := c.request.GetBody()
		if err != nil {
			return false
		}
		next.body = c.resent(body)
	default:
		next.body = c.request.Body
	}
	return true
}

// resent counts what is read of a body that is sent again.
func (c *call) resent(body io.ReadCloser) io.ReadCloser {
	return &counted{body, &c.policy.counts.resent}
}

type counted struct {
	io.ReadCloser
	n *atomic.Uint64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(uint64(n))
	return n, err
}

// streams reports whether the body of r can be had only once.
func streams(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.GetBody == nil
}
