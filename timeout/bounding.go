package timeout

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/expiry"
	"github.com/sidecarless/mesh/internal/flow"
)

// A bounding bounds one request of a client: it is a context that ends when the
// time is over. It is told when the answer's body has ended.
type bounding struct {
	context.Context
	settings *settings
	cancel   context.CancelCauseFunc
	total    time.Duration

	mu    sync.Mutex
	phase phase
	entry expiry.Entry
	timer *time.Timer // where the time is not that of most requests
}

type phase uint8

const (
	idle phase = iota
	running
	stopped
	expired
)

// bind makes b a context below parent.
func (b *bounding) bind(parent context.Context, s *settings, total time.Duration) {
	b.settings, b.total = s, total
	b.Context, b.cancel = context.WithCancelCause(parent)
}

// start lets the time begin, unless it has begun or is over.
func (b *bounding) start(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != idle {
		return
	}
	b.phase = running
	b.entry.End = now.Add(b.total)
	if b.total == b.settings.Total {
		b.settings.under.Add(&b.entry, b)
	} else {
		b.timer = time.AfterFunc(time.Until(b.entry.End), b.Expire)
	}
}

// stop ends the bound, and not the request.
func (b *bounding) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.phase == expired:
		return
	case b.timer != nil:
		b.timer.Stop()
	case b.phase == running:
		b.settings.under.Remove(&b.entry)
	}
	b.phase = stopped
}

// Expire implements [expiry.Expirer].
func (b *bounding) Expire() {
	b.mu.Lock()
	late := b.phase == running
	if late {
		b.phase = expired
	}
	b.mu.Unlock()
	if late {
		b.cancel(overtime())
	}
}

// cause is that with which the request ended because its time was over; nil
// if it was not.
func (b *bounding) cause() *mesh.Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != expired {
		return nil
	}
	e, _ := context.Cause(b.Context).(*mesh.Error)
	return e
}

// Err implements context.Context.
func (b *bounding) Err() error { return flow.Err(b.Context) }

// Deadline implements context.Context. There is none of ours before the request's
// body has ended.
func (b *bounding) Deadline() (time.Time, bool) {
	d, ok := b.Context.Deadline()
	b.mu.Lock()
	defer b.mu.Unlock()
	if (b.phase == running || b.phase == expired) && (!ok || b.entry.End.Before(d)) {
		return b.entry.End, true
	}
	return d, ok
}

// BodyEnded implements body.Ender: it releases what bounds the request.
func (b *bounding) BodyEnded(error) {
	b.stop()
	b.cancel(nil)
}

// A sent body is that of a request, whose time begins with its end.
type sent struct {
	io.ReadCloser
	bounding *bounding
}

// Read implements io.Reader.
func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil {
		s.bounding.start(time.Now())
	}
	return n, err
}

// Close implements io.Closer. Nothing is sent after it, so that it is also an end
// of the request.
func (s *sent) Close() error {
	err := s.ReadCloser.Close()
	s.bounding.start(time.Now())
	return err
}
