package retry

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

// A call is a request that may need more than one attempt.
type call struct {
	*transport
	rules *rules
	flow  *flow.Flow
	ctx   context.Context // of the request, around all attempts

	// The request as it came to this layer. Its URL and Host are kept apart, since
	// layers inside change them where they are, and what was chosen for it outside.
	request *http.Request
	url     *url.URL
	host    string
	header  http.Header
	choice  flow.Choice

	replay    *replay // nil without a body, or with one that GetBody returns again
	begun     int     // attempts, hedges included
	retries   int     // attempts after a failed one
	granted   bool    // the attempt under way is a retry that the budget has granted
	inherited int     // attempts before this one of the request for which it is made

	// Room for what is told of the request and of its first attempts.
	more  flow.More
	tries [4]*flow.Try
	told  [2]flow.Told
}

// A sending is an attempt that is to be made.
type sending struct {
	try     *flow.Try
	request *http.Request
	attempt *attempt // nil where the attempt needs no context of its own
	body    io.ReadCloser
	reader  *reader // is body, where it is kept

	hedged bool          // may get company
	late   time.Duration // after which it gets it
	extra  bool          // is company
	told   bool          // stands among flow.Tries while it runs
}

// run goes on after the first attempt has ended.
func (c *call) run(try *flow.Try, res *http.Response, err error) (*http.Response, error) {
	defer c.release() // where nothing came of it
	for {
		c.release()
		if err == nil && c.rules.ofAnswer(res.StatusCode, res.Header) == "" {
			c.passed(try, res)
			return res, nil
		}
		var s sending
		v := c.judge(try, res, err, &s)
		if err != nil && c.rules.budget.countsActive() {
			c.rules.budget.ended()
		}
		if !v.Again {
			return c.failed(try, res, err, v)
		}
		c.ended(try)
		if err := c.pause(&v, res); err != nil {
			if s.body != nil {
				s.body.Close() //nolint:errcheck // nobody has read it
			}
			c.finish()
			return nil, c.remember(newError(try, err, "", mesh.OutcomeOf(c.ctx, nil, err).Kind))
		}
		c.retries++
		c.begun++
		c.policy.counts.retries.Add(1)
		c.next(&s)
		c.tell(s.try).Waited = s.try.Began - try.Began - try.Told.Duration
		try, res, err = c.attempt(&s)
	}
}

// release gives back what the budget has granted, if it has.
func (c *call) release() {
	if c.granted {
		c.rules.budget.done()
		c.granted = false
	}
}

// pause drains the answer that the next attempt replaces, and waits before it. The
// error is why the request ended meanwhile.
func (c *call) pause(v *verdict, res *http.Response) error {
	c.policy.discard(res, v.now)
	if v.Wait > 0 {
		if left := v.Wait - time.Since(v.now); left > 0 {
			timer := time.NewTimer(left)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-c.ctx.Done():
			}
		}
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

// perTry is the bound on an attempt that begins now; zero if it has none, or one
// that would only end after that on the request.
func (c *call) perTry() time.Duration {
	d := c.rules.config.PerTry
	if total := c.flow.Total; d <= 0 || total > 0 && d >= total {
		return 0
	}
	if left := c.left(time.Now()); left > 0 && d >= left {
		return 0
	}
	return d
}

// next makes the next attempt, with a context of its own if it needs one.
func (c *call) next(s *sending) {
	var a *attempt
	s.late, s.hedged = c.hedges()
	if perTry := c.perTry(); perTry > 0 || s.hedged {
		a = newAttempt(c.ctx, perTry)
	}
	c.open(s, c.begun, a)
}

// open makes the record and the request of the n-th attempt.
func (c *call) open(s *sending, n int, a *attempt) {
	ctx := c.ctx
	if a != nil {
		s.attempt, ctx = a, a
	}
	s.try, s.request = c.flow.Next(ctx, c.request, n)
	*s.try.Choice() = c.choice
	if s.hedged || s.extra {
		s.try.Accompany()
	}
	if a != nil && a.perTry > 0 {
		c.tell(s.try).Bounded = s.try.Began + a.perTry
	}
	if tried := c.flow.More.Tries; len(tried) > 0 {
		c.tell(s.try).Tried = slices.Clip(tried)
	}
	s.try.URL = *c.url
	s.request.URL, s.request.Host = &s.try.URL, c.host
	s.request.Header, s.request.Body = c.header, s.body
	if c.rules.config.TellAttempt {
		s.request = flow.OwnHeader(s.request)
		c.number(s.request, n)
	}
}

// number puts the number of the attempt into its request, whose header is ours.
func (c *call) number(r *http.Request, n int) {
	r.Header[attemptCount] = []string{strconv.Itoa(c.inherited + n)}
}

// send makes an attempt.
func (c *call) send(s *sending) (*http.Response, error) {
	a, budget := s.attempt, c.rules.budget
	if s.reader != nil {
		s.reader.sent = a
	} else {
		a.begin()
	}
	passed := false
	if budget.countsActive() {
		budget.began()
		defer func() {
			if !passed { // a panic on the way
				budget.ended()
			}
		}()
	}
	res, err := c.transport.next.RoundTrip(s.request)
	passed = true
	s.try.Begin()
	if err == nil {
		if c.rules.config.Hedge.Quantile > 0 {
			c.policy.late.observe(s.try.Spent())
		}
		if a != nil {
			if a.answered(); a.Err() == nil {
				body.OnEnd(res, &s.try.Body, a)
			} else {
				res.Body.Close() //nolint:errcheck // it came too late
				res, err = nil, a.Err()
			}
		}
	}
	switch {
	case err == nil:
		if budget.countsActive() {
			body.OnEnd(res, &s.try.Body, spending{budget})
		}
	case a != nil:
		err = failure(a, err)
		a.cancel(nil)
	default:
		err = failure(c.ctx, err)
	}
	return res, err
}

// note writes into the record of an attempt how it ended.
func (c *call) note(try *flow.Try, res *http.Response, err error, why string, now time.Time) {
	t := c.tell(try)
	t.N, t.Start, t.Endpoint = int(try.N), try.Start(), try.Endpoint()
	t.Duration = now.Sub(t.Start)
	t.Err, t.Why = err, why
	if res != nil {
		t.Status = res.StatusCode
	}
}

// tell is what is told of an attempt.
func (c *call) tell(try *flow.Try) *flow.Told {
	if i := int(try.N) - 1; try.Told == nil && i < len(c.told) {
		try.Told = &c.told[i]
	} else if try.Told == nil {
		try.Told = new(flow.Told)
	}
	return try.Told
}

// retried reports whether an attempt has ended that was not the last.
func (c *call) retried() bool { return len(c.flow.More.Tries) > 0 }

// ended adds an attempt to the request's history.
func (c *call) ended(try *flow.Try) {
	m := c.flow.More
	if m.Tries == nil {
		m.Tries = c.tries[:0]
	}
	m.Tries = append(m.Tries, try)
}

// passed notes an answer that is good.
func (c *call) passed(try *flow.Try, res *http.Response) {
	if c.retried() {
		c.note(try, res, nil, "", time.Now())
		c.ended(try)
		c.remember(nil)
	}
	if c.retries > 0 {
		c.policy.counts.rescued.Add(1)
	}
	c.finish()
}

// failed hands on the last answer or failure.
func (c *call) failed(try *flow.Try, res *http.Response, err error, v verdict) (*http.Response, error) {
	c.finish()
	if v.Exhausted {
		c.policy.counts.exhausted.Add(1)
	}
	if err != nil && v.kind != mesh.Failure && !c.retried() {
		return nil, err
	}
	c.ended(try)
	if err != nil {
		return nil, c.remember(newError(try, err, v.flag, v.kind))
	}
	m := c.flow.More
	m.Flags = m.Flags.With(v.flag)
	c.remember(nil)
	return res, nil
}

func (c *call) finish() {
	if c.replay != nil {
		c.replay.finish()
	}
}
