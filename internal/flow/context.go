package flow

import (
	"context"
	"net/http"

	"github.com/sidecarless/mesh"
)

// Around is the context of r as the layer that asks got it. What layers further in put
// there with [Flow.Bound] ends with what they send, and the request may go on.
func Around(r *http.Request) context.Context {
	ctx := r.Context()
	if f, ok := ctx.(*Flow); ok {
		return f.Context
	}
	return ctx
}

// Err is how ctx, the context of a request, ended. What ended because a bound of ours
// was over exceeded a deadline; package context, which does not know our timers, says
// that it was cancelled, and net/http's HTTP/2 asks for nothing else.
func Err(ctx context.Context) error {
	err := ctx.Err()
	if err == context.Canceled {
		if e, ok := context.Cause(ctx).(*mesh.Error); ok && e.Flag.Has(mesh.UpstreamTimeout) {
			return context.DeadlineExceeded
		}
	}
	return err
}
