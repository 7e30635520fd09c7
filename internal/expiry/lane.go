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
	if !l.armed {
		l.arm(after)
	}
}

// arm has somebody look at the first after a time. A timer of a synctest bubble does not
// count: the bubble may be no more before it ends.
func (l *lane) arm(after time.Duration) {
	l.armed = after >= ages || !bubbled(l.first.End)
	time.AfterFunc(after, l.look)
}

// bubbled reports whether a time is that of a bubble, which has no monotonic clock.
func bubbled(t time.Time) bool { return t == t.Round(0) }

// ages are so long that no monotonic clock may reach their end.
const ages = 1 << 62 * time.Nanosecond

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
	if l.armed = false; l.first != nil {
		l.arm(l.first.End.Sub(now))
	}
	return due
}
