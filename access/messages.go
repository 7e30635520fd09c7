package access

import (
	"io"
	"net/http"
	"sync/atomic"
)

// messages counts the messages of gRPC in a stream: each is a byte of flags, its
// length in four, and so many bytes.
type messages struct {
	n    atomic.Int64
	skip uint32 // bytes of the message that are still to come
	head uint8  // bytes of the next one's head that have come
	size uint32 // as far as these tell
}

// pass takes the next bytes of the stream.
func (m *messages) pass(p []byte) {
	for len(p) > 0 {
		if m.skip > 0 {
			n := min(uint64(m.skip), uint64(len(p)))
			m.skip -= uint32(n)
			p = p[n:]
			continue
		}
		if m.head > 0 {
			m.size = m.size<<8 | uint32(p[0])
		}
		m.head++
		p = p[1:]
		if m.head == 5 {
			m.n.Add(1)
			m.skip, m.head, m.size = m.size, 0, 0
		}
	}
}

// A messageReader is a body of messages.
type messageReader struct {
	io.ReadCloser
	messages
}

// counting is a body that is told of in records, of a call of gRPC or not.
func counting(body io.ReadCloser, isGRPC bool) io.ReadCloser {
	if !isGRPC {
		return body
	}
	return &messageReader{ReadCloser: body}
}

// Read implements io.Reader.
func (r *messageReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.pass(p[:n])
	return n, err
}

// Unwrap is the body inside.
func (r *messageReader) Unwrap() io.ReadCloser { return r.ReadCloser }

// messagesOf is how many messages a body has had.
func messagesOf(body io.ReadCloser) int64 {
	if r, ok := body.(*messageReader); ok {
		return r.n.Load()
	}
	return 0
}

// A messageWriter is where a server of gRPC writes its messages to. Such servers
// flush; they neither hijack nor copy from files.
type messageWriter struct {
	http.ResponseWriter
	messages
}

// Write implements http.ResponseWriter.
func (w *messageWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.pass(p[:n])
	return n, err
}

// Flush implements http.Flusher.
func (w *messageWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for [http.ResponseController].
func (w *messageWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
