package breaker

import (
	"context"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport is a client's layer. What it refuses is an [*mesh.Error] with flag UO,
// unless there is a [Config.Fallback]. A request ends with the body of its answer.
func (b *Breaker) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{b, next}
}

type transport struct {
	b    *Breaker
	next http.RoundTripper
}

// An exchange is a request under way. It is used again when that has ended.
type exchange struct {
	permit Permit
	try    *flow.Try       // nil without a record
	ctx    context.Context // of the request, whatever becomes of it further in
	res    *http.Response
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	b := t.b
	x, _ := b.exchanges.Get().(*exchange)
	if x == nil {
		x = new(exchange)
	}
	ctx := flow.Around(r)
	if err := b.acquire(ctx, b.circuitFor(r), &x.permit); err != nil {
		b.free(x)
		return b.refuse(r, err)
	}
	passed := false
	defer func() {
		if !passed { // a panic on the way
			x.permit.done(mesh.Outcome{Kind: mesh.Failure})
		}
	}()
	res, err := t.next.RoundTrip(r)
	passed = true
	if err != nil {
		x.permit.done(mesh.OutcomeOf(ctx, nil, err))
		b.free(x)
		return nil, err
	}
	x.ctx, x.res = ctx, res
	var slot *body.Body
	if x.try = flow.TryOf(r); x.try != nil {
		slot = &x.try.Body
	}
	body.OnEnd(res, slot, x)
	return res, nil
}

// free keeps an exchange that has ended for the next request, and nothing of its
// own.
func (b *Breaker) free(x *exchange) {
	x.try, x.ctx, x.res = nil, nil, nil
	b.exchanges.Put(x)
}

// BodyEnded implements [body.Ender].
func (x *exchange) BodyEnded(err error) {
	b := x.permit.b
	x.permit.done(x.outcome(err))
	b.free(x)
}

// outcome is how the request went. Usually a balancer inside has judged that.
func (x *exchange) outcome(err error) mesh.Outcome {
	if x.try != nil && x.try.Answer == x.res {
		if o, ok := x.try.Settled(); ok {
			return o
		}
	}
	if err == body.ErrClosed {
		err = nil // the caller had seen enough
	}
	return mesh.OutcomeOf(x.ctx, x.res, err)
}

// refuse ends a request that was not let through.
func (b *Breaker) refuse(r *http.Request, err error) (*http.Response, error) {
	if b.fallback != nil && mesh.FlagOf(err).Has(mesh.Overflow) {
		return b.fallback(r, err)
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, err
}
