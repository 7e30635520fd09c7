package access

import (
	"io"
	"net/http"
	"strconv"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler is a server layer that tells s of each request. It belongs outside of
// all others.
func (s Sink) Handler(next http.Handler) http.Handler {
	if s == nil {
		return next
	}
	return handler{s, next}
}

type handler struct {
	sink Sink
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, in, s := flow.EnsureServedWith[serving](r)
	s.sink, s.flow, s.request = h.sink, f, r
	if in.Body != nil && in.Body != http.NoBody {
		in = in.WithContext(in.Context())
		s.in.ReadCloser = counting(in.Body, grpc.Is(r.Header))
		in.Body = &s.in
	}
	if grpc.Is(r.Header) {
		w = &messageWriter{ResponseWriter: w}
	}
	// A handler that panics ends its answer, and the request is told all the same.
	defer s.tell()
	h.next.ServeHTTP(s.Wrap(w, s), in)
	flow.HandBack(r, in)
	s.returned = true
}

// serving is one request being served.
type serving struct {
	rw.Writer
	sink     Sink
	flow     *flow.Flow
	request  *http.Request
	in       counted
	ctx      endless
	err      error
	returned bool // the handler did not panic
}

// BeforeHeader implements rw.Hooks.
func (s *serving) BeforeHeader(status int) int { return status }

// OnRefusal implements rw.RefusalHook.
func (s *serving) OnRefusal(err error) { s.err = err }

func (s *serving) tell() {
	r := s.request
	var rec Record
	rec.note(s.flow, r)
	rec.Received, rec.Sent, rec.TLS = s.in.n.Load(), s.Bytes(), r.TLS
	rec.RequestMessages = messagesOf(s.in.ReadCloser)
	if w, ok := s.Unwrap().(*messageWriter); ok {
		rec.ResponseMessages = w.n.Load()
	}
	if !s.Hijacked() {
		// The writer of a connection that was taken over is not ours to look at.
		rec.Header = s.Header()
	}
	left := r.Context().Err() != nil && !s.Hijacked() && !s.complete()
	wrote := s.Wrote()
	if s.returned && !left {
		s.Finish() // which is an empty 200 where nothing was written
	}
	rec.Status = s.Status()
	switch {
	case s.Hijacked():
		rec.viaUpstream()
	case left:
		rec.gone()
	case s.err != nil:
		rec.fail(s.err)
	case s.returned:
		rec.viaUpstream()
	case wrote:
		rec.cut(io.ErrUnexpectedEOF)
	default:
		rec.Flags, rec.Details = rec.Flags.With(mesh.ConnectionLost), mesh.ResetDetails(mesh.ReasonConnectionTermination)
	}
	s.ctx.Context = s.flow.Context
	s.sink(&s.ctx, rec)
}

// complete reports whether the whole answer was written that its header tells of.
// Its caller may then leave before the handler returns.
func (s *serving) complete() bool {
	if status := s.Status(); s.request.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		return s.Wrote() // which have no body
	}
	length, err := strconv.ParseInt(s.Header().Get("Content-Length"), 10, 64)
	return err == nil && s.Wrote() && s.Bytes() >= length
}
