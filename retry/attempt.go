package retry

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// errPerTry ends an attempt that ran out of its time.
var errPerTry = &mesh.Error{
	Op:      "retry",
	Flag:    mesh.UpstreamTimeout,
	Status:  http.StatusGatewayTimeout,
	Stage:   mesh.MaybeProcessed,
	Details: mesh.DetailsPerTryTimeout,
	Err:     errors.New("an attempt took longer than its bound"),
}

// An attempt is a context of its own for an attempt that is bounded in time or
// may be cancelled. It lives until the body of the answer has ended.
type attempt struct {
	context.Context
	cancel context.CancelCauseFunc
	perTry time.Duration
	timer  atomic.Pointer[time.Timer]
	state  atomic.Uint32
}

// What can have happened to the timer of an attempt.
const (
	timerIdle uint32 = iota
	timerRuns
	timerOver // the answer is there; no timer may start any more
)

// newAttempt derives a context for an attempt. A perTry of zero is no bound.
func newAttempt(parent context.Context, perTry time.Duration) *attempt {
	a := &attempt{perTry: perTry}
	a.Context, a.cancel = context.WithCancelCause(parent)
	return a
}

// begin starts the timer, when the body of the request has been sent. It does
// nothing for nil, when the timer runs, and when the answer has come.
func (a *attempt) begin() {
	if a == nil || a.perTry <= 0 || !a.state.CompareAndSwap(timerIdle, timerRuns) {
		return
	}
	a.timer.Store(time.AfterFunc(a.perTry, func() { a.cancel(errPerTry) }))
	if a.state.Load() == timerOver {
		a.timer.Load().Stop()
	}
}

// answered stops the timer: the headers of the answer are there.
func (a *attempt) answered() {
	a.state.Store(timerOver)
	if t := a.timer.Load(); t != nil {
		t.Stop()
	}
}

// Err implements context.Context.
func (a *attempt) Err() error { return flow.Err(a.Context) }

// BodyEnded implements body.Ender: the attempt is over.
func (a *attempt) BodyEnded(error) { a.cancel(nil) }

// failure is what err, with which an attempt under ctx ended, means: a bound of
// ours that ran out if one did, whatever the transport made of it.
func failure(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if e, ok := context.Cause(ctx).(*mesh.Error); ok {
		return e
	}
	return err
}
