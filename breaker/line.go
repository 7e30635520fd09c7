package breaker

import (
	"container/list"
	"context"
	"sync"
)

// A line is where requests wait for one of the connections that a limit allows,
// first come, first served.
type line struct {
	mu      sync.Mutex // guards the line
	waiting list.List  // of chan struct{}
}

// enter gives a request a connection, or lets it wait for one. It fails with the
// refusal, or with the cause of the end of ctx.
func (l *line) enter(ctx context.Context, limits *Limits) error {
	l.mu.Lock()
	if l.waiting.Len() == 0 && limits.TakeConnection(false) {
		l.mu.Unlock()
		return nil
	}
	if !limits.TakePending() {
		l.mu.Unlock()
		return Overflow(op)
	}
	turn := make(chan struct{})
	place := l.waiting.PushBack(turn)
	l.mu.Unlock()
	defer limits.GivePending()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	select {
	case <-turn: // at the same moment
		l.mu.Unlock()
		l.leave(limits)
	default:
		l.waiting.Remove(place)
		l.mu.Unlock()
	}
	return context.Cause(ctx)
}

// leave gives a connection back, to the next in line if there is one.
func (l *line) leave(limits *Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limits.GiveConnection()
	for next := l.waiting.Front(); next != nil && limits.TakeConnection(false); next = l.waiting.Front() {
		close(l.waiting.Remove(next).(chan struct{}))
	}
}
