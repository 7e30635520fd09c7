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
	ctx    context.Context
	res    *http.Response
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	b := t.b
	permit, err := b.acquire(r.Context(), b.circuitFor(r))
	if err != nil {
		return b.refuse(r, err)
	}
	passed := false
	defer func() {
		if !passed { // a panic on the way
			permit.Done(mesh.Outcome{Kind: mesh.Failure})
		}
	}()
	res, err := t.next.RoundTrip(r)
	passed = true
	if err != nil {
		permit.Done(mesh.OutcomeOf(r.Context(), nil, err))
		return nil, err
	}
	var slot *body.Body
	if try := flow.TryOf(r); try != nil {
		slot = &try.Body
	}
	x, _ := b.exchanges.Get().(*exchange)
	if x == nil {
		x = new(exchange)
	}
	*x = exchange{permit, r.Context(), res}
	body.OnEnd(res, slot, b, x)
	return res, nil
}

// BodyEnded implements the interface by which the end of a body is told.
func (b *Breaker) BodyEnded(arg any, err error) {
	x := arg.(*exchange)
	if err == body.ErrClosed {
		err = nil // the caller had seen enough
	}
	x.permit.Done(mesh.OutcomeOf(x.ctx, x.res, err))
	*x = exchange{}
	b.exchanges.Put(x)
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
