package upstream

import (
	"io"
	"net/http"
	"sync/atomic"
)

// A guard is the body of a request on its way. It closes the caller's body once,
// whoever gives up first: net/http leaves it open where a connection ends before
// the request was begun.
type guard struct {
	inner  io.ReadCloser
	closed atomic.Bool
	failed atomic.Bool
}

// guarded is r, or a copy of it with a guard around its body.
func guarded(r *http.Request) (*http.Request, *guard) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	g := &guard{inner: r.Body}
	r = r.WithContext(r.Context())
	r.Body = g
	return r, g
}

// Read implements io.Reader.
func (g *guard) Read(b []byte) (int, error) {
	n, err := g.inner.Read(b)
	if err != nil && err != io.EOF && !g.closed.Load() {
		g.failed.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (g *guard) Close() error {
	if g.closed.Swap(true) {
		return nil
	}
	return g.inner.Close()
}

// refuse closes the body of a request that ends here.
func (g *guard) refuse() {
	if g != nil {
		g.Close()
	}
}

// broke reports whether reading the caller's body failed.
func (g *guard) broke() bool { return g != nil && g.failed.Load() }

// rewound is a copy of r, of which nothing was sent, that can be sent anew. What
// was made of the first one may still be in use.
func (g *guard) rewound(r *http.Request) (*http.Request, *guard, bool) {
	if g == nil {
		return r, nil, true
	}
	if r.GetBody == nil || g.broke() {
		return nil, nil, false
	}
	again, err := r.GetBody()
	if err != nil {
		return nil, nil, false
	}
	g.Close()
	fresh := r.WithContext(r.Context())
	g = &guard{inner: again}
	fresh.Body = g
	return fresh, g, true
}
