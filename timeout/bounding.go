package timeout

import (
	"context"
	"io"
	"sync"
	"time"
)

// bounding bounds a request that has a body: it is that body, which starts the
// time at its end, and the context, which ends with the time. It also bounds one that
// asks for another protocol, whose time stops when it has got that.
type bounding struct {
	context.Context
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	total   time.Duration
	expired error

	mu       sync.Mutex
	ended    bool
	timer    *time.Timer // nil until the body has ended
	deadline time.Time
}

func newBounding(parent context.Context, body io.ReadCloser, total time.Duration, expired error) *bounding {
	b := &bounding{body: body, total: total, expired: expired}
	b.Context, b.cancel = context.WithCancelCause(parent)
	return b
}

// Read implements io.Reader.
func (b *bounding) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil {
		b.start()
	}
	return n, err
}

// Close implements io.Closer. Nothing is sent after it, so that it is also an end
// of the request.
func (b *bounding) Close() error {
	err := b.body.Close()
	b.start()
	return err
}

// Deadline implements context.Context. There is none of ours before the request's
// body has ended.
func (b *bounding) Deadline() (time.Time, bool) {
	d, ok := b.Context.Deadline()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil && !b.ended && (!ok || b.deadline.Before(d)) {
		return b.deadline, true
	}
	return d, ok
}

func (b *bounding) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer == nil && !b.ended {
		b.deadline = time.Now().Add(b.total)
		b.timer = time.AfterFunc(b.total, b.expire)
	}
}

func (b *bounding) expire() { b.cancel(b.expired) }

// stop ends the bound, and not the request.
func (b *bounding) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if b.timer != nil {
		b.timer.Stop()
	}
}

// BodyEnded implements body.Ender: it releases the timer and the context.
func (b *bounding) BodyEnded(error) {
	b.stop()
	b.cancel(nil)
}
