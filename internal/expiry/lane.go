package expiry

import (
	"sync"
	"time"
)

// A lane is one of a queue's lists.
type lane struct {
	mu          sync.Mutex
	first, last *Entry
	armed       bool // a timer runs that will look at the first

	_ [32]byte // up to a cache line
}

// add puts e at the end. What a lane holds ends after the same time.
func (l *lane) add(e *Entry, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.waits, e.prev = true, l.last
	if l.last != nil {
		l.last.next, l.last = e, e
		return // the timer looks at those before it
	}
	l.first, l.last = e, e
	if !l.armed || bubbled(e.End) {
		l.arm(after)
	}
}

// bubbled reports whether a time is that of a synctest bubble, which has no
// monotonic clock. There a timer may be one of a bubble that is no more, which never
// ends.
func bubbled(t time.Time) bool { return t == t.Round(0) }

func (l *lane) arm(after time.Duration) {
	l.armed = true
	time.AfterFunc(after, l.look)
}

func (l *lane) remove(e *Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !e.waits {
		return false
	}
	l.unlink(e)
	return true
}

func (l *lane) unlink(e *Entry) {
	e.waits = false
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
}

// look ends what is due, and comes again for what then is the first.
func (l *lane) look() {
	now := time.Now()
	for _, e := range l.due(now) {
		e.by.Expire()
	}
}

// due takes out what is due.
func (l *lane) due(now time.Time) (due []*Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.first != nil && !l.first.End.After(now) {
		due = append(due, l.first)
		l.unlink(l.first)
	}
	if l.armed = l.first != nil; l.armed {
		l.arm(l.first.End.Sub(now))
	}
	return due
}
