package meshtest

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"
)

// A watchedBody counts what is done to it.
type watchedBody struct {
	io.Reader
	reads, closes atomic.Int64
	closed        chan struct{}
	once          sync.Once
}

func watched(s string) *watchedBody {
	return &watchedBody{Reader: strings.NewReader(s), closed: make(chan struct{})}
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.reads.Add(1)
	return b.Reader.Read(p)
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	b.closes.Add(1)
	b.once.Do(func() { close(b.closed) })
	return nil
}

// A duplexBody is the body of an answer that switched protocols.
type duplexBody struct {
	io.Reader
	mu      sync.Mutex
	written strings.Builder
	closed  atomic.Bool
}

// Write implements io.Writer.
func (b *duplexBody) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written.Write(p)
}

// Close implements io.Closer.
func (b *duplexBody) Close() error {
	b.closed.Store(true)
	return nil
}

// got is what was written.
func (b *duplexBody) got() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written.String()
}

// A readFunc is a body by its Read.
type readFunc func(p []byte) (int, error)

// Read implements io.Reader.
func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// Close implements io.Closer.
func (readFunc) Close() error { return nil }
