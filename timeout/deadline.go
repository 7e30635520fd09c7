package timeout

import (
	"context"
	"sync"
	"time"
)

// A deadline is the context of a request that is served. It becomes one of package
// context when somebody wants to be told of its end. Many handlers never do, and the
// timer and its place in the context around it cost more than all else that a
// request meets on its way to them. If it ended in two ways before anybody looked, it
// cannot tell which came first.
type deadline struct {
	context.Context // the request's own
	at              time.Time

	mu     sync.Mutex
	made   context.Context // nil until it is asked for
	cancel context.CancelFunc
	ended  bool // the request has been served
}

// context is the standard context.
func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.become()
}

func (d *deadline) become() context.Context {
	if d.made == nil {
		d.made, d.cancel = context.WithDeadline(d.Context, d.at)
		if d.ended {
			d.cancel()
		}
	}
	return d.made
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) {
	if outer, ok := d.Context.Deadline(); ok && outer.Before(d.at) {
		return outer, true
	}
	return d.at, true
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} { return d.context().Done() }

// Err implements context.Context. What it has said once it says always.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made == nil && !d.ended && d.Context.Err() == nil && time.Until(d.at) > 0 {
		return nil
	}
	return d.become().Err()
}

// Value implements context.Context.
func (d *deadline) Value(key any) any {
	if _, ends := key.(*int); ends {
		// Package context asks so for the context that has an end and its cause.
		return d.context().Value(key)
	}
	return d.Context.Value(key)
}

// end ends the context with the request.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.cancel != nil {
		d.cancel()
	}
}
