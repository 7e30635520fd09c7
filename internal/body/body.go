// Package body tells when an answer's body has ended, which is when a request
// is over.
package body

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// ErrClosed is what an [Ender] is told when a body was closed before it was
// read to its end.
var ErrClosed = errors.New("body: closed before its end")

// An Ender is told that a body has ended: err is nil at its regular end,
// [ErrClosed] when it was closed before, and else why reading failed. It is
// called once, on the goroutine that read or closed. A pointer, or a struct that
// holds nothing but one, costs no allocation; a closure would.
type Ender interface {
	BodyEnded(err error)
}

// A Failer is an [Ender] that knows better what an error in reading means: what
// it returns is what the reader and all Enders are told. It is not asked when the
// request's own context has ended.
type Failer interface {
	Ender
	BodyFailed(err error) error
}

// A Body wraps an answer's body and tells its Enders at the end, the one added
// first (by the innermost layer) first. Its zero value is a free slot for
// [OnEnd].
type Body struct {
	inner   io.ReadCloser
	request *http.Request
	bytes   atomic.Int64
	ended   atomic.Bool
	n       uint8 // of enders
	enders  [4]Ender
}

// OnEnd arranges that by is told when the body of res has ended; at once when
// res has none. All layers of one answer share a wrapper: the first takes slot if
// it is not nil and not yet used, and a new one otherwise. OnEnd must be called
// before res is handed on. It returns the wrapper, nil where there is none.
func OnEnd(res *http.Response, slot *Body, by Ender) *Body {
	if res.Body == nil || res.Body == http.NoBody {
		by.BodyEnded(nil)
		return nil
	}
	var b *Body
	switch have := res.Body.(type) {
	case *Body:
		b = have
	case *duplex:
		b = have.Body
	}
	if b == nil || int(b.n) == len(b.enders) {
		b = wrap(res, slot)
	}
	b.enders[b.n] = by
	b.n++
	return b
}

// wrap puts slot, or a new Body if that is in use, around the body of res.
func wrap(res *http.Response, slot *Body) *Body {
	b := slot
	if b == nil || b.inner != nil {
		b = new(Body)
	}
	b.inner, b.request = res.Body, res.Request
	// The body of an upgraded connection is also its other direction.
	if res.StatusCode == http.StatusSwitchingProtocols {
		if w, ok := res.Body.(io.Writer); ok {
			res.Body = &duplex{b, w}
			return b
		}
	}
	res.Body = b
	return b
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	if n > 0 {
		b.bytes.Add(int64(n))
	}
	if err != nil {
		if err == io.EOF {
			b.end(nil)
		} else {
			err = b.failed(err)
			b.end(err)
		}
	}
	return n, err
}

// failed is what an error in reading means.
func (b *Body) failed(err error) error {
	if b.request != nil && b.request.Context().Err() != nil {
		return err
	}
	for _, by := range b.enders[:b.n] {
		if f, ok := by.(Failer); ok {
			err = f.BodyFailed(err)
		}
	}
	return err
}

// Close implements io.Closer.
func (b *Body) Close() error {
	err := b.inner.Close()
	b.end(ErrClosed)
	return err
}

// Bytes is how much of the body has been read.
func (b *Body) Bytes() int64 { return b.bytes.Load() }

// Unwrap is the body inside.
func (b *Body) Unwrap() io.ReadCloser { return b.inner }

func (b *Body) end(err error) {
	if b.ended.Swap(true) {
		return
	}
	for _, by := range b.enders[:b.n] {
		by.BodyEnded(err)
	}
}

// A duplex is the body of an answer that switched protocols.
type duplex struct {
	*Body
	io.Writer
}

// CloseWrite hands on the end of one direction, where the connection can.
func (d *duplex) CloseWrite() error {
	if c, ok := d.Writer.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
