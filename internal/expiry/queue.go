// Package expiry tells when something has taken longer than it may, with few timers
// for all that may take equally long.
//
// What may take equally long ends in the order in which it began, so that a list
// holds it in order and only its head needs a timer. Most requests end long before
// their time is over: entering a list and leaving it is all that they cost, where
// each would have paid for a timer of its own. There are as many lists as CPUs, so that
// these seldom meet.
package expiry

import (
	"runtime"
	"sync/atomic"
	"time"
)

// An Expirer is told that its time is over, once, on a goroutine of the queue's
// timer. It must not wait for anything.
type Expirer interface{ Expire() }

// A Queue holds what may take a certain time. It has no goroutine, and while
// nothing is in it a few timers at most, which run out.
type Queue struct {
	After time.Duration // which is set before the first entry

	lanes atomic.Pointer[[]lane] // made for the first entry
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
	q.lane(e).add(e, q.After)
}

// Remove takes an entry out that was added, and reports whether it was still there:
// if not, its Expirer has been told, or is about to be.
func (q *Queue) Remove(e *Entry) bool { return q.lane(e).remove(e) }

// mostLanes is from how many CPUs on they share lists.
const mostLanes = 32

// lane is the list for e. The lower digits of the time at which it ends are as good
// as random.
func (q *Queue) lane(e *Entry) *lane {
	lanes := q.lanes.Load()
	if lanes == nil {
		some := make([]lane, min(runtime.GOMAXPROCS(0), mostLanes))
		if q.lanes.CompareAndSwap(nil, &some) {
			lanes = &some
		} else {
			lanes = q.lanes.Load()
		}
	}
	return &(*lanes)[e.End.Nanosecond()>>4%len(*lanes)]
}
