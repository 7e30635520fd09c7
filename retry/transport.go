package retry

import (
	"context"
	"net/http"

	"github.com/sidecarless/mesh/internal/flow"
)

type transport struct {
	policy *Policy
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	rules := t.policy.rules.Load()
	f, r := flow.Ensure(r)
	rules.budget.requested(f.Start)
	if !rules.plain || r.Body != nil && r.Body != http.NoBody {
		return t.whole(rules, f, r)
	}
	// Layers inside may change the URL of their copy, which for the first attempt
	// is r.
	pristine, host, header := *r.URL, r.Host, r.Header
	res, err := t.next.RoundTrip(r)
	try := first(f, r)
	try.Begin()
	if err == nil && rules.ofAnswer(res.StatusCode, res.Header) == "" {
		return res, nil
	}
	c := t.call(rules, f, r)
	c.url, c.host, c.header = pristine, host, header
	if err != nil {
		err = failure(c.ctx, err)
	}
	return c.run(try, res, err)
}

// whole sends a request whose first attempt needs more than to be sent.
func (t *transport) whole(rules *rules, f *flow.Flow, r *http.Request) (*http.Response, error) {
	if rules.config.ObeyHeaders {
		rules, r = rules.wishes(r)
	}
	c := t.call(rules, f, r)
	if rules.config.Chain {
		c.inherit()
	}
	s := sending{body: r.Body}
	if streams(r) && (c.rules.on != 0 || rules.config.PerTry > 0) {
		keep := rules.config.MaxBody
		if c.rules.on == 0 {
			keep = 0 // only its end matters, for the time of the attempt
		}
		c.replay = newReplay(r.Body, r.ContentLength, keep)
		s.reader = c.replay.next()
		s.body = s.reader
	}
	if rules.config.PerTry > 0 || rules.config.Hedge.on() {
		c.next(&s)
	} else {
		c.reuse(&s, first(f, r))
	}
	return c.run(c.attempt(&s))
}

// reuse makes the first attempt of the request as it came.
func (c *call) reuse(s *sending, try *flow.Try) {
	s.try, s.request = try, c.request
	if c.rules.config.TellAttempt {
		s.request = flow.OwnHeader(s.request)
		c.number(s.request, 1)
	}
	if s.reader != nil {
		s.request = flow.Own(s.request)
		s.request.Body = s.reader
	}
}

// first is the record of the first attempt.
func first(f *flow.Flow, r *http.Request) *flow.Try {
	if r.Context() == context.Context(f) {
		return &f.First
	}
	return flow.TryOf(r)
}

// call is the call of a request whose first attempt is being made, or has just
// ended.
func (t *transport) call(rules *rules, f *flow.Flow, r *http.Request) *call {
	c := &call{
		transport: t, rules: rules, flow: f, ctx: r.Context(),
		request: r, url: *r.URL, host: r.Host, header: r.Header, begun: 1,
	}
	if f.More == nil {
		f.More = &c.more
	}
	// What the balancer is to make of hosts that were tried.
	f.More.Picks, f.More.Priorities = rules.config.HostPicks, rules.config.OtherPriorities
	if rules.config.SameHost {
		f.More.Picks = -1
	}
	return c
}
