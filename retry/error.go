package retry

import (
	"context"
	"fmt"
	"net"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// An Error is a request whose last attempt failed without an answer. It holds all
// attempts. Through it errors.As finds the [*mesh.Error] that says what a sidecar
// would have answered and logged, and errors.Is the cause.
type Error struct {
	Tries []mesh.Try
	Err   error // the last attempt's
}

// Error is the failure of the last attempt and the number of attempts.
func (e *Error) Error() string {
	if len(e.Tries) < 2 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v, after %d attempts", e.Err, len(e.Tries))
}

// Unwrap is the failure of the last attempt.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the last attempt ran out of time, as [net.Error] has it.
func (e *Error) Timeout() bool {
	t, ok := e.Err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// Temporary is there so that an Error is a [net.Error].
func (e *Error) Temporary() bool { return e.Timeout() }

var _ net.Error = (*Error)(nil)

// A History is what was tried for a request; see [WithHistory].
type History struct {
	Tries []mesh.Try // in the order in which they ended
}

type historyKey struct{}

// WithHistory is a context for one request, by which the policy that sends it
// fills in h, before the answer or the failure is returned. It stays empty when
// the first attempt was answered and no other one made.
func WithHistory(ctx context.Context, h *History) context.Context {
	return context.WithValue(ctx, historyKey{}, h)
}

// remember fills in the caller's history, and is err.
func (c *call) remember(err *Error) error {
	if h, ok := c.flow.Caller().Value(historyKey{}).(*History); ok {
		h.Tries = c.flow.More.History()
	}
	if err == nil {
		return nil
	}
	return err
}

// newError is the error for a request whose last attempt, t, ended with err. The
// flag stands before those of err.
func newError(t *flow.Try, err error, flag mesh.Flag, kind mesh.Kind) *Error {
	f := t.Flow
	e := *mesh.AsError(err)
	if kind == mesh.Neutral {
		// The caller may have ended its context with an error of its own.
		e = *mesh.AsError(context.Canceled)
	}
	if _, ok := err.(*mesh.Error); !ok {
		e.Err = err
	}
	e.Op, e.Flag = "retry", flag.With(e.Flag)
	e.Retried = e.Retried || len(f.More.Tries) > 1
	e.Route = or(e.Route, t.Choice().Route)
	e.Branch = or(e.Branch, t.Choice().Branch)
	e.Endpoint = or(e.Endpoint, t.Endpoint())
	return &Error{Tries: f.More.History(), Err: &e}
}
