package retry

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// A Try is one attempt as [Error] remembers it.
type Try struct {
	N        int
	Endpoint string        // where it went, if a balancer told
	Status   int           // of the answer; zero without one
	Err      error         // nil with an answer
	Start    time.Time     // zero if it was not measured
	Duration time.Duration // until the headers of the answer or the failure
	Waited   time.Duration // before it
	Why      string        // why another attempt followed, or why none did
}

// String is the attempt in one line.
func (t Try) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", t.N)
	if t.Endpoint != "" {
		fmt.Fprintf(&b, " at %s", t.Endpoint)
	}
	if t.Err != nil {
		fmt.Fprintf(&b, ": %v", t.Err)
	} else {
		fmt.Fprintf(&b, ": %d", t.Status)
	}
	fmt.Fprintf(&b, " after %v", t.Duration)
	return b.String()
}

// An Error is a request whose last attempt failed without an answer. It holds all
// attempts. Through it errors.As finds the [*mesh.Error] that says what a sidecar
// would have answered and logged, and errors.Is the cause.
type Error struct {
	Tries []Try
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
	Tries []Try // in the order in which they ended
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
	if h, ok := c.flow.Caller.Value(historyKey{}).(*History); ok {
		h.Tries = history(c.flow)
	}
	if err == nil {
		return nil
	}
	return err
}

func history(f *flow.Flow) []Try {
	tries := make([]Try, len(f.Tries))
	for i, t := range f.Tries {
		tries[i] = Try{
			N: t.N, Endpoint: t.Endpoint, Status: t.Status, Err: t.Failure,
			Start: t.Start, Duration: t.Duration, Waited: t.Waited, Why: t.Why,
		}
	}
	return tries
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
	e.Retried = e.Retried || len(f.Tries) > 1
	e.Route = or(e.Route, f.Route)
	e.Branch = or(e.Branch, f.Branch)
	e.Endpoint = or(e.Endpoint, t.Endpoint)
	return &Error{Tries: history(f), Err: &e}
}
