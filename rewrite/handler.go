package rewrite

import (
	"net/http"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler changes requests before next serves them, and the answers. The changed
// path stands in the request's URL and in its RequestURI.
func (w *Rewriter) Handler(next http.Handler) http.Handler {
	return &handler{w, next}
}

type handler struct {
	w    *Rewriter
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, in := h.w.now.Load(), r
	switch {
	case s.changesHeader():
		in = flow.OwnHeader(r)
		s.change(in, true)
	case s.changesRequest():
		in = flow.Own(r)
		s.change(in, true)
	}
	if len(s.response) == 0 {
		h.next.ServeHTTP(w, in)
		flow.HandBack(r, in)
		return
	}
	a := &answer{s: s, r: in}
	h.next.ServeHTTP(a.Wrap(w, a), in)
	flow.HandBack(r, in)
	a.Finish()
}

// An answer gets its headers changed when they are written.
type answer struct {
	rw.Writer
	s *rules
	r *http.Request
}

// BeforeHeader implements rw.Hooks.
func (a *answer) BeforeHeader(status int) int {
	h := a.Header()
	a.s.response.apply(h, scope{a.r, h, status, nil})
	return status
}
