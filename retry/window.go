package retry

import (
	"sync/atomic"
	"time"
)

// windowSlots is into how many parts a window is cut; it moves by one of them at
// a time.
const windowSlots = 10

// A window counts what happened in the last while. It takes no locks; a count
// made at the very moment when its slot starts anew may be lost.
type window struct {
	origin time.Time
	width  time.Duration // of one slot
	slots  [windowSlots]slot
}

type slot struct {
	tick     atomic.Int64 // which of the slots since origin it is, plus one
	requests atomic.Int64
	retries  atomic.Int64
	_        [40]byte
}

func newWindow(length time.Duration) *window {
	return &window{origin: time.Now(), width: max(1, length/windowSlots)}
}

// tick numbers the slots since origin from one.
func (w *window) tick(now time.Time) int64 { return int64(now.Sub(w.origin)/w.width) + 1 }

// at is the slot that counts what happens now.
func (w *window) at(now time.Time) *slot {
	tick := w.tick(now)
	s := &w.slots[uint64(tick)%windowSlots]
	if old := s.tick.Load(); old < tick && s.tick.CompareAndSwap(old, tick) {
		s.requests.Store(0)
		s.retries.Store(0)
	}
	return s
}

// sums is what the slots hold that are not too old.
func (w *window) sums(now time.Time) (requests, retries int64) {
	tick := w.tick(now)
	for i := range w.slots {
		s := &w.slots[i]
		if t := s.tick.Load(); t > tick-windowSlots && t <= tick {
			requests += s.requests.Load()
			retries += s.retries.Load()
		}
	}
	return requests, retries
}
