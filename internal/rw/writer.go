package rw

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// Hooks are told about an answer while it is written.
type Hooks interface {
	// BeforeHeader is called once, just before the header of the final answer is
	// written, for whatever reason it is written: then the header map may still be
	// changed. It returns the status to write, usually the one it got. It is called
	// neither for 1xx (but 101), nor after the connection was hijacked.
	BeforeHeader(status int) int
}

// A BodyHook is a [Hooks] through which every byte of the answer's body goes.
// With it nothing is sent from files directly.
type BodyHook interface {
	Hooks
	// WriteBody has the contract of io.Writer. It writes to [Writer.Send].
	WriteBody(p []byte) (int, error)
}

// A RefusalHook is a [Hooks] that is told when a layer inside refuses the
// request, by mesh.WriteError.
type RefusalHook interface {
	Hooks
	OnRefusal(err error)
}

// A Writer is the state of one wrapped answer. Its zero value is ready for
// [Writer.Wrap]. Like a ResponseWriter it is for one goroutine at a time.
type Writer struct{ core }

// core has the methods that all wrappers share. What is for the layer alone are
// methods of Writer, so that a handler does not meet them.
type core struct {
	inner    http.ResponseWriter
	hooks    Hooks
	body     BodyHook // hooks, if they want the body
	status   int      // of the final answer; zero until it is known
	bytes    int64
	hijacked bool
	sealed   error // what the handler's writes get instead of reaching the server
}

// Wrap makes w the state of an answer that is written to inner, and returns what
// to give to the handler. The hooks may be nil, for a layer that only looks.
func (w *Writer) Wrap(inner http.ResponseWriter, hooks Hooks) http.ResponseWriter {
	w.core = core{inner: inner, hooks: hooks}
	w.body, _ = hooks.(BodyHook)
	return w.variant()
}

// Status is the status of the final answer, or zero while the handler has
// written nothing (or has hijacked the connection before).
func (w *Writer) Status() int { return w.status }

// Wrote reports whether the header of the final answer was written, after which
// nothing but more of the body can be sent.
func (w *Writer) Wrote() bool { return w.status != 0 }

// Bytes is how much of a body was handed to the server. For an answer to HEAD
// the server sends none of it.
func (w *Writer) Bytes() int64 { return w.bytes }

// Hijacked reports whether the handler took over the connection.
func (w *Writer) Hijacked() bool { return w.hijacked }

// Seal ends the handler's part in the answer: nothing that it writes from now on
// reaches the server, and its writes return err. A hook that answers in the
// handler's place, from BeforeHeader, writes its own answer to the inner
// ResponseWriter and seals.
func (w *Writer) Seal(err error) { w.sealed = err }

// Finish is to be called when the handler has returned. If it wrote nothing, the
// server will write an empty 200: the hooks get their chance before.
func (w *Writer) Finish() { w.begin() }

// Send writes a part of the body to the server, past the hooks.
func (w *Writer) Send(p []byte) (int, error) { return w.send(p) }

func (c *core) send(p []byte) (int, error) {
	if c.sealed != nil {
		return 0, c.sealed
	}
	n, err := c.inner.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Header implements http.ResponseWriter.
func (c *core) Header() http.Header { return c.inner.Header() }

// WriteHeader implements http.ResponseWriter.
func (c *core) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		// An informational answer may come from another goroutine (a proxy passes on
		// what its transport got) and changes nothing here.
		c.inner.WriteHeader(status)
		return
	}
	if c.status == 0 && !c.hijacked {
		status = c.header(status)
	}
	if c.sealed == nil {
		c.inner.WriteHeader(status) // which also complains about a second call
	}
}

// Write implements io.Writer.
func (c *core) Write(p []byte) (int, error) {
	c.begin()
	if c.body != nil {
		return c.body.WriteBody(p)
	}
	return c.send(p)
}

// WriteString implements io.StringWriter, so that a string is copied only by a
// server that has to.
func (c *core) WriteString(s string) (int, error) {
	c.begin()
	if c.body != nil {
		return c.body.WriteBody([]byte(s))
	}
	if c.sealed != nil {
		return 0, c.sealed
	}
	n, err := io.WriteString(c.inner, s)
	c.bytes += int64(n)
	return n, err
}

// FlushError is what http.ResponseController calls. It is there also when the
// server cannot flush (and says so then): otherwise the controller would flush
// what it finds behind Unwrap, and write the header without the hooks.
func (c *core) FlushError() error {
	if !c.hijacked {
		c.begin()
	}
	return http.NewResponseController(c.inner).Flush()
}

// Refused tells the hooks why a layer inside is about to answer.
func (c *core) Refused(err error) {
	if h, ok := c.hooks.(RefusalHook); ok {
		h.OnRefusal(err)
	}
}

// Unwrap lets http.ResponseController find deadlines and full duplex.
func (c *core) Unwrap() http.ResponseWriter { return c.inner }

// begin is for an answer of which the status is implied.
func (c *core) begin() {
	if c.status != 0 || c.hijacked {
		return
	}
	// The header is left to be written with the first bytes, from which the server
	// may tell the content type.
	if status := c.header(http.StatusOK); status != http.StatusOK && c.sealed == nil {
		c.inner.WriteHeader(status)
	}
}

// header calls the hooks and notes the status.
func (c *core) header(status int) int {
	c.status = status // before the hooks, which may look at it
	if c.hooks != nil {
		c.status = c.hooks.BeforeHeader(status)
	}
	return c.status
}

func (c *core) flush() {
	c.begin()
	c.inner.(http.Flusher).Flush()
}

func (c *core) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := c.inner.(http.Hijacker).Hijack()
	if err == nil {
		c.hijacked = true
	}
	return conn, buf, err
}

func (c *core) readFrom(src io.Reader) (int64, error) {
	c.begin()
	if c.body != nil {
		return io.Copy(bodyWriter{c.body}, src)
	}
	if c.sealed != nil {
		return 0, c.sealed
	}
	n, err := c.inner.(io.ReaderFrom).ReadFrom(src)
	c.bytes += n
	return n, err
}

func (c *core) push(target string, opts *http.PushOptions) error {
	return c.inner.(http.Pusher).Push(target, opts)
}

// bodyWriter has no ReadFrom, so that io.Copy copies.
type bodyWriter struct{ BodyHook }

// Write implements io.Writer.
func (w bodyWriter) Write(p []byte) (int, error) { return w.WriteBody(p) }
