package timeout

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler bounds the requests that next serves. The time starts with the handler,
// since only that decides when to read the body.
//
// When it is over, the request's context ends; a handler that does not look at it
// goes on, for nothing in Go can stop it. What the caller gets depends on how far
// the answer was: if it had not begun, the 504 that a sidecar gives, when the
// handler returns or begins to write; if it had, and its Content-Length was not
// reached, the connection (or HTTP/2 stream) is cut, so that nobody takes a part
// for the whole. A request that asks for another protocol is not bounded.
func (t *Timeout) Handler(next http.Handler) http.Handler {
	return &handler{t, next}
}

type handler struct {
	t    *Timeout
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := h.t.now.Load()
	total, late := s.serving(r)
	if late != nil {
		mesh.WriteError(w, r, late)
		return
	}
	if !total.set || endless(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	all := new(struct { // one allocation
		answer
		deadline
		bounded http.Request
	})
	// The context ends without a cause of ours: to calls that the handler makes it
	// is their caller's deadline, and no failure of those they call.
	ctx := &all.deadline
	ctx.Context, ctx.at = r.Context(), time.Now().Add(total.Duration)
	defer ctx.end()
	f := flow.Served(r)
	if f != nil {
		at, _ := ctx.Deadline()
		f.Bounded = at.Sub(f.Start)
	}
	a := &all.answer
	a.r, a.inner, a.ctx = r, w, ctx
	all.bounded = *r.WithContext(ctx) // which is inlined
	h.next.ServeHTTP(a.Wrap(w, a), &all.bounded)
	flow.HandBack(r, &all.bounded)
	if !a.over() || a.Hijacked() || a.replaced || a.whole() {
		return
	}
	if !a.Wrote() {
		a.replace()
		return
	}
	if f != nil {
		m := f.Tell()
		m.Flags, m.Details = m.Flags.With(mesh.UpstreamTimeout), mesh.DetailsResponseTimeout
	}
	panic(http.ErrAbortHandler)
}

// serving is the bound on a request that a handler gets, or why it is refused.
func (s *settings) serving(r *http.Request) (bound, *mesh.Error) {
	total, asked := s.total(), bound{}
	if s.Honor != nil {
		if v := r.Header[expectedHeader]; len(v) > 0 && s.Honor(r) {
			if d, ok := parseMillis(v[0]); ok && d > 0 {
				asked = asked.atMost(d)
			}
		}
	}
	if s.GRPC {
		if d, ok := grpcTimeout(r); ok {
			asked = asked.atMost(d)
		}
	}
	if !asked.set {
		return total, nil
	}
	if asked.Duration < s.Floor || asked.Duration == 0 {
		return bound{}, tooLate(asked.Duration, s.Floor)
	}
	return total.atMost(s.wish(asked.Duration)), nil
}

// An answer is written under a bound.
type answer struct {
	rw.Writer
	r        *http.Request
	inner    http.ResponseWriter
	ctx      *deadline
	replaced bool
}

// over reports whether the time is over, and not only the caller gone.
func (a *answer) over() bool {
	return a.ctx.Err() == context.DeadlineExceeded && a.r.Context().Err() == nil
}

// BeforeHeader implements rw.Hooks.
func (a *answer) BeforeHeader(status int) int {
	if !a.over() || status == http.StatusSwitchingProtocols {
		return status
	}
	a.replace()
	a.Seal(http.ErrHandlerTimeout)
	return http.StatusGatewayTimeout
}

// replace answers as a sidecar does when the time is over.
func (a *answer) replace() {
	a.replaced = true
	header := a.inner.Header()
	for _, name := range [...]string{"Cache-Control", "Content-Encoding", "Content-Length", "Content-Type", "Etag", "Last-Modified", "Trailer"} {
		delete(header, name) // they tell of the answer that did not come
	}
	mesh.WriteError(a.inner, a.r, overtime())
}

// whole reports whether the answer has all that its header promised.
func (a *answer) whole() bool {
	if a.r.Method == http.MethodHead || a.Status() == http.StatusNoContent || a.Status() == http.StatusNotModified {
		return a.Wrote()
	}
	v := a.inner.Header()["Content-Length"]
	if len(v) == 0 {
		return false
	}
	length, err := strconv.ParseInt(v[0], 10, 64)
	return err == nil && a.Wrote() && a.Bytes() >= length
}
