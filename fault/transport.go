package fault

import (
	"context"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport lets the requests that go to next meet faults. An abort with a status
// is a response like a server's ([mesh.ErrorOf] tells it apart); a reset is an
// error like a broken connection's.
func (i *Injector) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{i, next}
}

type transport struct {
	i    *Injector
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	p := t.i.plan.Load()
	if !p.touches(r) {
		return t.next.RoundTrip(r)
	}
	d, hit := t.i.draw(p, r)
	if !hit {
		return t.next.RoundTrip(r)
	}
	return t.faulty(r, &d)
}

// faulty sends a request that holds a place among the active faults, until its
// answer has ended.
func (t *transport) faulty(r *http.Request, d *Decision) (*http.Response, error) {
	held := false
	defer func() {
		if !held { // also when next panics
			t.i.leave()
		}
	}()
	res, err := t.meet(r, d)
	if err != nil {
		return nil, err
	}
	held = true
	body.OnEnd(res, nil, holder{t.i})
	return res, nil
}

// meet lets a request meet its fault.
func (t *transport) meet(r *http.Request, d *Decision) (*http.Response, error) {
	f := recordOf(r)
	if d.Delay > 0 {
		if err := t.i.delay(r.Context(), f, d.Delay); err != nil {
			closeBody(r)
			return nil, err
		}
	}
	if d.aborts() {
		closeBody(r)
		t.i.counts.aborts.Add(1)
		note(f, mesh.FaultInjected, d.words())
		if d.Reset {
			return nil, d.refusal()
		}
		return mesh.ResponseFor(r, d.refusal()), nil
	}
	if d.bends() {
		note(f, "", d.words())
	}
	res, err := t.next.RoundTrip(r)
	if err != nil || !d.bends() || res.Body == http.NoBody || res.StatusCode == http.StatusSwitchingProtocols {
		return res, err
	}
	res.Body = newBent(r.Context(), res.Body, d)
	return res, nil
}

// recordOf is the record of a client's request, or nil. An attempt that may run
// beside others (a hedge) must not write into it.
func recordOf(r *http.Request) *flow.Flow {
	if t := flow.TryOf(r); t != nil && t == &t.Flow.First {
		return t.Flow
	}
	return nil
}

// closeBody is what a RoundTripper owes a request that it does not send.
func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// A holder is a request with a fault, which holds a place until its answer has
// ended.
type holder struct{ *Injector }

// BodyEnded implements body.Ender.
func (h holder) BodyEnded(error) { h.leave() }

// errReset is what a connection says that was reset.
var errReset error = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// delay waits, and returns the cause if the context ends before.
func (i *Injector) delay(ctx context.Context, f *flow.Flow, d time.Duration) error {
	i.counts.delays.Add(1)
	note(f, mesh.DelayInjected, "delay "+d.String())
	start := time.Now()
	err := sleep(ctx, d)
	if f != nil {
		f.Tell().Delayed += time.Since(start)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A bent is the body of an answer that comes slowly or breaks off.
type bent struct {
	io.ReadCloser
	ctx   context.Context
	pace  pacer
	drips bool
	cut   bool
	left  int64 // bytes before the cut
}

func newBent(ctx context.Context, inner io.ReadCloser, d *Decision) *bent {
	return &bent{ReadCloser: inner, ctx: ctx, pace: newPacer(d.Rate), drips: d.Rate > 0, cut: d.Cut, left: d.After}
}

// Read implements io.Reader.
func (b *bent) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return b.ReadCloser.Read(p)
	}
	if b.cut {
		if b.left == 0 {
			// At the end of the body there would be nothing to cut.
			if n, err := b.ReadCloser.Read(p[:1]); n == 0 && err != nil {
				return 0, err
			}
			return 0, io.ErrUnexpectedEOF
		}
		p = p[:min(int64(len(p)), b.left)]
	}
	if !b.drips {
		n, err := b.ReadCloser.Read(p)
		b.left -= int64(n)
		return n, err
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.pace.slice())])
	b.left -= int64(n)
	if late := b.pace.spend(time.Now(), int64(n)); late > 0 {
		if err := sleep(b.ctx, late); err != nil {
			return n, err
		}
	}
	return n, err
}

// Unwrap is the body inside.
func (b *bent) Unwrap() io.ReadCloser { return b.ReadCloser }
