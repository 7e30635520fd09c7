package rw

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// What a handler may find in its ResponseWriter by a type assertion. A wrapper
// has exactly those that the wrapped one has.
const (
	canFlush = 1 << iota
	canHijack
	canReadFrom
	canPush
)

func abilities(w http.ResponseWriter) (have int) {
	if _, ok := w.(http.Flusher); ok {
		have |= canFlush
	}
	if _, ok := w.(http.Hijacker); ok {
		have |= canHijack
	}
	if _, ok := w.(io.ReaderFrom); ok {
		have |= canReadFrom
	}
	if _, ok := w.(http.Pusher); ok {
		have |= canPush
	}
	return have
}

// The wrappers for what servers and tests really have. They are other views of
// the same Writer, and so cost nothing.
type (
	plain    struct{ core }
	flushing struct{ core } // httptest.ResponseRecorder
	http1    struct{ core }
	http2    struct{ core }
)

// Flush implements http.Flusher.
func (w *flushing) Flush() { w.flush() }

// Flush implements http.Flusher.
func (w *http1) Flush() { w.flush() }

// Hijack implements http.Hijacker.
func (w *http1) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

// ReadFrom implements io.ReaderFrom.
func (w *http1) ReadFrom(src io.Reader) (int64, error) { return w.readFrom(src) }

// Flush implements http.Flusher.
func (w *http2) Flush() { w.flush() }

// Push implements http.Pusher.
func (w *http2) Push(target string, opts *http.PushOptions) error { return w.push(target, opts) }

// The single abilities, from which wrappers for odd ResponseWriters are put
// together.
type (
	flusher    struct{ *core }
	hijacker   struct{ *core }
	readerFrom struct{ *core }
	pusher     struct{ *core }
)

// Flush implements http.Flusher.
func (a flusher) Flush() { a.flush() }

// Hijack implements http.Hijacker.
func (a hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return a.hijack() }

// ReadFrom implements io.ReaderFrom.
func (a readerFrom) ReadFrom(src io.Reader) (int64, error) { return a.readFrom(src) }

// Push implements http.Pusher.
func (a pusher) Push(target string, opts *http.PushOptions) error { return a.push(target, opts) }

// variant is the wrapper with the abilities of the inner ResponseWriter.
func (w *Writer) variant() http.ResponseWriter {
	c := &w.core
	f, h, r, p := flusher{c}, hijacker{c}, readerFrom{c}, pusher{c}
	switch abilities(c.inner) {
	case canFlush | canHijack | canReadFrom:
		return (*http1)(w)
	case canFlush | canPush:
		return (*http2)(w)
	case canFlush:
		return (*flushing)(w)
	case canHijack:
		return struct {
			*core
			hijacker
		}{c, h}
	case canReadFrom:
		return struct {
			*core
			readerFrom
		}{c, r}
	case canPush:
		return struct {
			*core
			pusher
		}{c, p}
	case canFlush | canHijack:
		return struct {
			*core
			flusher
			hijacker
		}{c, f, h}
	case canFlush | canReadFrom:
		return struct {
			*core
			flusher
			readerFrom
		}{c, f, r}
	case canHijack | canReadFrom:
		return struct {
			*core
			hijacker
			readerFrom
		}{c, h, r}
	case canHijack | canPush:
		return struct {
			*core
			hijacker
			pusher
		}{c, h, p}
	case canReadFrom | canPush:
		return struct {
			*core
			readerFrom
			pusher
		}{c, r, p}
	case canFlush | canHijack | canPush:
		return struct {
			*core
			flusher
			hijacker
			pusher
		}{c, f, h, p}
	case canFlush | canReadFrom | canPush:
		return struct {
			*core
			flusher
			readerFrom
			pusher
		}{c, f, r, p}
	case canHijack | canReadFrom | canPush:
		return struct {
			*core
			hijacker
			readerFrom
			pusher
		}{c, h, r, p}
	case canFlush | canHijack | canReadFrom | canPush:
		return struct {
			*core
			flusher
			hijacker
			readerFrom
			pusher
		}{c, f, h, r, p}
	}
	return (*plain)(w)
}
