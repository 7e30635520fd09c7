package access

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
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
	f, in := flow.EnsureServed(r)
	s := &serving{sink: h.sink, flow: f, request: r}
	if in.Body != nil && in.Body != http.NoBody {
		in = in.WithContext(in.Context())
		s.in.ReadCloser = in.Body
		in.Body = &s.in
	}
	// A handler that panics ends its answer, and the request is told all the same.
	defer s.tell()
	h.next.ServeHTTP(s.Wrap(w, s), in)
	s.Finish()
	s.finished = true
}

// serving is one request being served.
type serving struct {
	rw.Writer
	sink     Sink
	flow     *flow.Flow
	request  *http.Request
	in       counted
	err      error
	finished bool // the handler returned
}

// BeforeHeader implements rw.Hooks.
func (s *serving) BeforeHeader(status int) int { return status }

// OnRefusal implements rw.RefusalHook.
func (s *serving) OnRefusal(err error) { s.err = err }

func (s *serving) tell() {
	f, r := s.flow, s.request
	rec := Record{
		Start: f.Start, Duration: time.Since(f.Start),
		Method: r.Method, Host: r.Host, Path: pathOf(r), Protocol: protocolOf(r),
		Route: f.Route, Branch: f.Branch, Upstream: f.Upstream,
		Status: s.Status(), Flags: f.Flags, Details: f.Details, Err: s.err,
		Received: s.in.n, Sent: s.Bytes(),
		Faults: f.Faults, Mirrors: f.Mirrors, Request: r,
	}
	if !s.Hijacked() {
		// The writer of a connection that was taken over is not ours to look at.
		rec.Header = s.Header()
	}
	switch {
	case s.err != nil:
		e := mesh.AsError(s.err)
		rec.Flags, rec.Details = rec.Flags.With(e.Flag), e.Details
		if e.Err != nil {
			rec.Failure = e.Err.Error()
		}
	case rec.Details == "":
		rec.Details = mesh.DetailsViaUpstream
	}
	if !s.finished && !s.Hijacked() {
		rec.cut(io.ErrUnexpectedEOF)
	}
	if r.Context().Err() != nil && !s.finished {
		rec.gone(!s.Wrote())
	}
	rec.Flags = rec.Flags.Without(mesh.Denied)
	s.sink(context.WithoutCancel(r.Context()), rec)
}

