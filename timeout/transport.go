package timeout

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport bounds the requests that next sends. One that asks for another protocol
// is bounded until the server changes to it, as in Envoy: what follows has no end. A
// tunnel is not bounded.
//
// Requests that have the same time share a timer. Their contexts say
// [context.DeadlineExceeded] when the time is over; one that somebody further in has
// derived from them with [context.WithCancel] says [context.Canceled], as package
// context has it, and gives the reason as its [context.Cause].
func (t *Timeout) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{t, next}
}

type transport struct {
	t    *Timeout
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := t.t.now.Load()
	total, r := s.sending(r)
	if !total.set || r.Method == http.MethodConnect {
		return t.next.RoundTrip(r)
	}
	f, own, b := flow.EnsureWith[bounding](r)
	try, start, spent := &f.First, f.Start, time.Duration(0)
	if own == r { // layers outside, such as a delay, have spent some time already
		try, start = flow.TryOf(r), time.Now()
		spent = start.Sub(f.Start)
	}
	r = own
	if f.Total == 0 || total.Duration < f.Total {
		f.Total = total.Duration
	}

	b.bind(flow.Around(r), s, total.Duration)
	r = under(r, b)
	handshake := changes(r)
	switch {
	case handshake:
		b.start(time.Now())
	case r.Body == nil || r.Body == http.NoBody:
		if bounded := spent + total.Duration; f.Bounded == 0 || bounded < f.Bounded {
			f.Bounded = bounded
		}
		b.start(start)
	default:
		r = flow.Own(r)
		r.Body = &sent{r.Body, b}
	}

	res, err := t.next.RoundTrip(r)
	if err != nil {
		err = b.judge(f, err)
		b.BodyEnded(err)
		return nil, err
	}
	if handshake && res.StatusCode == http.StatusSwitchingProtocols {
		b.stop()
	}
	body.OnEnd(res, &try.Body, b)
	return res, nil
}

// sending is the bound on a client's request, and the request without the wish
// that was meant for this layer.
func (s *settings) sending(r *http.Request) (bound, *http.Request) {
	total := s.total()
	if s.Honor != nil {
		total, r = s.honoring(r, total)
	}
	if s.GRPC {
		switch d, ok := grpcTimeout(r); {
		case ok && d > 0:
			total = total.atMost(s.wish(d))
		case ok && s.MaxHonor > 0: // zero is no end, to Envoy
			total = total.atMost(s.MaxHonor)
		}
	}
	return total, r
}

// honoring is the bound that a client's request asks for, if it may, or else total,
// and the request without the wish.
func (s *settings) honoring(r *http.Request, total bound) (bound, *http.Request) {
	v := r.Header[wishHeader]
	if len(v) == 0 {
		return total, r
	}
	if s.Honor(r) {
		if d, ok := parseMillis(v[0]); ok {
			total = bound{d, d > 0}
			if s.MaxHonor > 0 {
				total = total.atMost(s.MaxHonor)
			}
		}
	}
	r = flow.OwnHeader(r)
	delete(r.Header, wishHeader)
	return total, r
}

// under is r bounded by ctx, a child of that around it. A record that is r's context
// takes ctx in place. Below it a context that somebody else put between would not
// see that, and the request is copied.
func under(r *http.Request, ctx context.Context) *http.Request {
	if f, ok := r.Context().(*flow.Flow); ok {
		f.Bound(ctx)
		return r
	}
	return r.WithContext(ctx)
}

// judge says what err means, with which the request of f has failed: if its time was
// over, that is the reason. What a layer inside has judged stays.
func (b *bounding) judge(f *flow.Flow, err error) error {
	cause := b.cause()
	if cause == nil {
		return err
	}
	var e *mesh.Error
	if errors.As(err, &e) && e != cause && !e.Flag.Has(mesh.ClientGone) {
		return err
	}
	over := *cause
	chosen, last := f.Chosen()
	over.Route, over.Branch = chosen.Route, chosen.Branch
	if last != nil {
		over.Endpoint = last.Endpoint()
	}
	return &over
}
