// Package expiry tells when something has taken longer than it may, with one timer
// for all that may take equally long.
//
// What may take equally long ends in the order in which it began, so that a list
// holds it in order and only its head needs a timer. Most requests end long before
// their time is over: entering the list and leaving it is all that they cost, where
// each would have paid for a timer of its own.
package expiry

import (
	"sync"
	"time"
)

// An Expirer is told that its time is over, once, on a goroutine of the queue's
// timer. It must not wait for anything.
type Expirer interface{ Expire() }

// A Queue holds what may take a certain time. It has no goroutine, and while
// nothing is in it at most one timer, which runs out.
type Queue struct {
	After time.Duration // which is set before the first entry

	mu          sync.Mutex
	first, last *Entry
	armed       bool // a timer runs that will look at the first
}

// An Entry is a place in a queue. Its zero value is in none. It is used once.
type Entry struct {
	End time.Time // of its time, which is not changed in a queue

	by         Expirer
	prev, next *Entry
	waits      bool // is in the queue
}

// Add arranges that by is told at the end of e, which is by's own. That is as long
// from now, or a little less, as the queue's time.
func (q *Queue) Add(e *Entry, by Expirer) {
	e.by = by
	q.mu.Lock()
	defer q.mu.Unlock()
	e.waits, e.prev = true, q.last
	if q.last != nil {
		q.last.next, q.last = e, e
		return // the timer looks at those before it
	}
	q.first, q.last = e, e
	if !q.armed || bubbled(e.End) {
		q.arm(q.After)
	}
}

// bubbled reports whether a time is that of a synctest bubble, which has no
// monotonic clock. There a timer may be one of a bubble that is no more, which never
// ends.
func bubbled(t time.Time) bool { return t == t.Round(0) }

func (q *Queue) arm(after time.Duration) {
	q.armed = true
	time.AfterFunc(after, q.look)
}

// Remove takes an entry out and reports whether it was there: if not, its Expirer
// has been told, or is about to be.
func (q *Queue) Remove(e *Entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !e.waits {
		return false
	}
	q.unlink(e)
	return true
}

func (q *Queue) unlink(e *Entry) {
	e.waits = false
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.last = e.prev
	}
	e.prev, e.next = nil, nil
}

// look ends what is due, and comes again for what then is the first.
func (q *Queue) look() {
	now := time.Now()
	for _, e := range q.due(now) {
		e.by.Expire()
	}
}

// due takes out what is due.
func (q *Queue) due(now time.Time) (due []*Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first != nil && !q.first.End.After(now) {
		due = append(due, q.first)
		q.unlink(q.first)
	}
	if q.armed = q.first != nil; q.armed {
		q.arm(q.first.End.Sub(now))
	}
	return due
}
