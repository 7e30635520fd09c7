package flow

import (
	"context"

	"github.com/sidecarless/mesh"
)

// Err is how ctx, the context of a request, ended. What ended because a bound of ours
// was over exceeded a deadline; package context, which does not know our timers, says
// that it was cancelled, and net/http's HTTP/2 asks for nothing else.
func Err(ctx context.Context) error {
	err := ctx.Err()
	if err == context.Canceled {
		if e, ok := context.Cause(ctx).(*mesh.Error); ok && e.Timeout() {
			return context.DeadlineExceeded
		}
	}
	return err
}
