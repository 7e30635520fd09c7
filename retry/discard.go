package retry

import (
	"io"
	"net/http"
	"time"

	"github.com/sidecarless/mesh/internal/expiry"
)

// What of an answer that nobody wants is read, so that its connection can be
// used again, before it is closed.
const (
	drainBytes = 64 << 10
	drainTime  = 50 * time.Millisecond
)

// discard drains an answer from now on and closes it. What it reads is counted.
func (p *Policy) discard(res *http.Response, now time.Time) {
	if res == nil || res.Body == nil {
		return
	}
	if res.ContentLength != 0 && res.ContentLength <= drainBytes {
		d := &drain{body: res.Body, left: drainBytes}
		d.entry.End = now.Add(drainTime)
		p.drains.Add(&d.entry, d)
		n, _ := io.Copy(io.Discard, d)
		p.counts.discarded.Add(uint64(n))
		if !p.drains.Remove(&d.entry) {
			return
		}
	}
	res.Body.Close() //nolint:errcheck // nobody wants it
}

// A drain is a body that nobody wants, as far as it is read.
type drain struct {
	entry expiry.Entry
	body  io.ReadCloser
	left  int // bytes
}

// Read implements io.Reader.
func (d *drain) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	n, err := d.body.Read(p[:min(len(p), d.left)])
	d.left -= n
	return n, err
}

// Expire implements [expiry.Expirer]: closing ends a read that waits.
func (d *drain) Expire() { go d.body.Close() }
