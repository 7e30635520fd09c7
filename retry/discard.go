package retry

import (
	"io"
	"net/http"
	"time"
)

// What of an answer that nobody wants is read, so that its connection can be
// used again, before it is closed.
const (
	drainBytes = 64 << 10
	drainChunk = 4 << 10
	drainTime  = 50 * time.Millisecond

	// drainPatience is how long a retry that is due waits while nothing comes.
	drainPatience = 5 * time.Millisecond
)

// discard drains an answer and closes it. It takes its time while the wait before
// the next attempt runs, which has begun now, and goes on after that as long as
// something comes. What it reads is counted.
func (p *Policy) discard(res *http.Response, now time.Time, wait time.Duration) {
	if res == nil || res.Body == nil {
		return
	}
	if res.ContentLength == 0 || res.ContentLength > drainBytes {
		res.Body.Close() //nolint:errcheck // nobody wants it
		return
	}
	patience := func(spent time.Duration) time.Duration {
		return min(max(wait-spent, drainPatience), drainTime-spent)
	}
	// Closing ends a read that waits.
	late := time.AfterFunc(patience(0), func() { res.Body.Close() }) //nolint:errcheck // nobody wants it
	for range drainBytes / drainChunk {
		n, err := io.CopyN(io.Discard, res.Body, drainChunk)
		p.counts.discarded.Add(uint64(n))
		if err != nil || !late.Stop() {
			break
		}
		late.Reset(patience(time.Since(now)))
	}
	if late.Stop() {
		res.Body.Close() //nolint:errcheck // nobody wants it
	}
}
