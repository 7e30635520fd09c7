// Package body tells when an answer's body has ended, which is when a request
// is over.
package body

import (
	"context"
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
// called once, on the goroutine that read or closed. The arg is what was given to
// [OnEnd]; a pointer there costs no allocation, a closure would.
type Ender interface {
	BodyEnded(arg any, err error)
}

// A Failer is an [Ender] that knows better what an error in reading means: what
// it returns is what the reader and all Enders are told. It is not asked when the
// request's own context has ended.
type Failer interface {
	Ender
	BodyFailed(arg any, err error) error
}

type hook struct {
	by  Ender
	arg any
}

// A Body wraps an answer's body and calls its hooks at the end, the one added
// first (by the innermost layer) first. Its zero value is a free slot for
// [OnEnd].
type Body struct {
	inner io.ReadCloser
	ctx   context.Context // the request's
	ended atomic.Bool
	n     uint8 // of hooks
	hooks [4]hook
	more  []hook
}

// OnEnd arranges that by is told when the body of res has ended; at once when
// res has none. All layers of one answer share a wrapper: the first takes slot if
// it is not nil and not yet used, and a new one otherwise. OnEnd must be called
// before res is handed on.
func OnEnd(res *http.Response, slot *Body, by Ender, arg any) {
	if res.Body == nil || res.Body == http.NoBody {
		by.BodyEnded(arg, nil)
		return
	}
	var b *Body
	switch have := res.Body.(type) {
	case *Body:
		b = have
	case *duplex:
		b = have.Body
	default:
		if b = slot; b == nil || b.inner != nil {
			b = new(Body)
		}
		b.inner = res.Body
		if res.Request != nil {
			b.ctx = res.Request.Context()
		}
		res.Body = b
		// The body of an upgraded connection is also its other direction.
		if w, ok := b.inner.(io.Writer); ok && res.StatusCode == http.StatusSwitchingProtocols {
			res.Body = &duplex{b, w}
		}
	}
	if int(b.n) < len(b.hooks) {
		b.hooks[b.n] = hook{by, arg}
		b.n++
		return
	}
	b.more = append(b.more, hook{by, arg})
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
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
	if b.ctx != nil && b.ctx.Err() != nil {
		return err
	}
	for i := range b.n {
		if f, ok := b.hooks[i].by.(Failer); ok {
			err = f.BodyFailed(b.hooks[i].arg, err)
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

// Unwrap is the body inside.
func (b *Body) Unwrap() io.ReadCloser { return b.inner }

func (b *Body) end(err error) {
	if b.ended.Swap(true) {
		return
	}
	for i := range b.n {
		b.hooks[i].by.BodyEnded(b.hooks[i].arg, err)
	}
	for _, h := range b.more {
		h.by.BodyEnded(h.arg, err)
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
