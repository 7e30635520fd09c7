package mirror

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// A tee is the body of a request that is being copied. It keeps what passes
// through it, and starts the copy when all has passed.
type tee struct {
	io.ReadCloser
	source *http.Request // of which the trailers are known at the end
	length int64         // of the body, or -1

	mu   sync.Mutex // a transport may close a body while it reads
	copy *replica   // nil when the copy was started or given up
	data []byte
}

// Read implements io.Reader.
func (b *tee) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.copy
	switch {
	case c == nil:
	case int64(len(b.data)+n) > c.plan.MaxBody:
		c.m.counts.tooLarge.Add(1)
		b.giveUp()
	default:
		if b.data == nil && b.length > 0 {
			b.data = make([]byte, 0, b.length)
		}
		b.data = append(b.data, p[:n]...)
		if err == io.EOF || int64(len(b.data)) == b.length {
			b.start()
		} else if err != nil {
			c.m.counts.unread.Add(1)
			b.giveUp()
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *tee) Close() error {
	err := b.ReadCloser.Close()
	b.unread()
	return err
}

// unread gives the copy up if the body has not ended.
func (b *tee) unread() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copy != nil {
		b.copy.m.counts.unread.Add(1)
		b.giveUp()
	}
}

func (b *tee) giveUp() {
	b.copy.m.free()
	b.copy, b.data = nil, nil
}

// start sends the copy with all that was read.
func (b *tee) start() {
	r := b.copy.request
	r.Body, r.ContentLength = http.NoBody, int64(len(b.data))
	if len(b.data) > 0 {
		data := b.data
		r.Body = io.NopCloser(bytes.NewReader(data))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	if len(b.source.Trailer) > 0 {
		r.Trailer, r.ContentLength = b.source.Trailer.Clone(), -1 // trailers need chunks
	}
	b.copy.m.begin(b.copy)
	b.copy, b.data = nil, nil
}

// copyBody arranges that the copy is sent with r's body. If that has to be read
// while the request goes on, it is the body to hand on with it, else nil.
func (c *replica) copyBody(r *http.Request) *tee {
	switch {
	case !hasBody(r):
		c.request.Body = r.Body
		c.m.begin(c)
		return nil
	case r.GetBody != nil && r.ContentLength >= 0:
		// The body can be had twice; then the copy waits for nobody.
		body, err := r.GetBody()
		if err != nil {
			c.m.counts.unread.Add(1)
			c.m.free()
			return nil
		}
		c.request.Body, c.request.GetBody = body, r.GetBody
		c.m.begin(c)
		return nil
	}
	return &tee{ReadCloser: r.Body, source: r, length: r.ContentLength, copy: c}
}
