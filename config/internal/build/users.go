package build

import (
	"context"
	"sync"
	"sync/atomic"
)

// users counts the requests that are on their way through a snapshot, up to the
// headers of their answers. What only an earlier snapshot leads to must not be
// ended before they have got there: a request that an injected delay holds, or one
// that waits to be repeated, has still to be sent.
type users struct {
	count   atomic.Int64
	retired atomic.Bool
	once    sync.Once
	quiet   chan struct{} // closed when it is retired and nobody uses it
}

// enter is the snapshot in force, in use until its users.leave.
func (m *Mesh) enter() *snapshot {
	for {
		s := m.now.Load()
		s.users.count.Add(1)
		if m.now.Load() == s {
			return s
		}
		s.users.leave() // it was replaced just now, and may be thought unused
	}
}

func (u *users) leave() {
	if u.count.Add(-1) == 0 && u.retired.Load() {
		u.once.Do(func() { close(u.quiet) })
	}
}

// retire notes that nobody comes any more.
func (u *users) retire() {
	u.retired.Store(true)
	if u.count.Load() == 0 {
		u.once.Do(func() { close(u.quiet) })
	}
}

// wait waits until nobody uses what was retired, or ctx ends.
func (u *users) wait(ctx context.Context) {
	select {
	case <-u.quiet:
	case <-ctx.Done():
	}
}
