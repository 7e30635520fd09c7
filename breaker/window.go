package breaker

import "time"

// windowParts is into how many parts a window is cut. It moves on by one part at
// a time.
const windowParts = 10

// A tally is what happened in some time.
type tally struct{ total, failed, slow uint32 }

// A window counts what happened in the time that has just passed.
type window struct {
	part   time.Duration
	start  time.Time // of the window's own time
	newest int64     // number of the part that is counted in
	parts  [windowParts]tally
	sum    tally
}

func newWindow(length time.Duration, now time.Time) *window {
	return &window{part: length / windowParts, start: now}
}

// advance leaves out what lies too far back.
func (w *window) advance(now time.Time) {
	at := int64(now.Sub(w.start) / w.part)
	if at-w.newest >= windowParts {
		w.parts, w.sum = [windowParts]tally{}, tally{}
		w.newest = at
		return
	}
	for w.newest < at {
		w.newest++
		old := &w.parts[w.newest%windowParts]
		w.sum.total -= old.total
		w.sum.failed -= old.failed
		w.sum.slow -= old.slow
		*old = tally{}
	}
}

// add counts a request.
func (w *window) add(now time.Time, failed, slow bool) {
	w.advance(now)
	part := &w.parts[w.newest%windowParts]
	part.total++
	w.sum.total++
	if failed {
		part.failed++
		w.sum.failed++
	}
	if slow {
		part.slow++
		w.sum.slow++
	}
}
