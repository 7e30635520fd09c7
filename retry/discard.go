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
	drainTime  = 50 * time.Millisecond
)

// discard drains an answer and closes it. What it reads is counted.
func (p *Policy) discard(res *http.Response) {
	if res == nil || res.Body == nil {
		return
	}
	if res.ContentLength != 0 && res.ContentLength <= drainBytes {
		// Closing ends a read that waits.
		late := time.AfterFunc(drainTime, func() { res.Body.Close() }) //nolint:errcheck // nobody wants it
		n, _ := io.CopyN(io.Discard, res.Body, drainBytes)
		p.counts.discarded.Add(uint64(n))
		if !late.Stop() {
			return
		}
	}
	res.Body.Close() //nolint:errcheck // nobody wants it
}
