package retry

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sidecarless/mesh/internal/flow"
)

type transport struct {
	policy *Policy
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	rules := t.policy.rules.Load()
	try, r := flow.EnsureTry(r)
	if try.Accompanied() {
		return t.next.RoundTrip(r) // see [Hedge]
	}
	rules.budget.requested(try.Flow.Start)
	if !rules.plain || r.Body != nil && r.Body != http.NoBody {
		return t.whole(rules, r)
	}
	// Layers inside may give their copy, which for the first attempt is r, another
	// URL, and send further attempts another way.
	pristine, host, header, choice := urlOf(r, try), r.Host, r.Header, *try.Choice()
	ctx := flow.Around(r)
	res, err := t.next.RoundTrip(r)
	try.Begin()
	if err == nil && rules.ofAnswer(res.StatusCode, res.Header) == "" {
		return res, nil
	}
	c := t.call(rules, try, r, ctx)
	c.url, c.host, c.header, c.choice = pristine, host, header, choice // as they were
	if err != nil {
		err = failure(c.ctx, err)
	}
	return c.run(try, res, err)
}

// whole sends a request whose first attempt needs more than to be sent.
func (t *transport) whole(rules *rules, r *http.Request) (*http.Response, error) {
	if rules.config.ObeyHeaders {
		rules, r = rules.wishes(r)
	}
	try := flow.TryOf(r)
	c := t.call(rules, try, r, flow.Around(r))
	c.url, c.host, c.header, c.choice = urlOf(r, try), r.Host, r.Header, *try.Choice()
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
		c.reuse(&s, try)
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

// urlOf is r's URL, as it is now: nobody changes it, but for the one in the record,
// where a balancer puts it.
func urlOf(r *http.Request, try *flow.Try) *url.URL {
	if r.URL != &try.URL {
		return r.URL
	}
	u := *r.URL
	return &u
}

// call is the call of a request whose first attempt is being made, or has just
// ended, with the context around it.
func (t *transport) call(rules *rules, try *flow.Try, r *http.Request, ctx context.Context) *call {
	f := try.Flow
	c := &call{
		transport: t, rules: rules, flow: f, ctx: ctx,
		request: r, begun: 1,
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
