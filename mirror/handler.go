package mirror

import (
	"net/http"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler copies requests that next serves. Unless the To of the configuration
// has endpoints of its own, Server must be set: the request's own address is that
// of this server.
func (m *Mirror) Handler(next http.Handler) http.Handler { return &handler{m, next} }

type handler struct {
	m    *Mirror
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := h.m.plan.Load()
	if !h.m.sample(p, r) {
		h.next.ServeHTTP(w, r)
		return
	}
	if f := flow.Served(r); f != nil {
		m := f.Tell()
		m.Mirrors = append(m.Mirrors, p.name)
	}
	c, in := newReplica(h.m, p, r), r
	forward(c.request.Header)
	if b := c.copyBody(r); b != nil {
		defer b.unread()
		in = r.WithContext(r.Context())
		in.Body = b
	}
	if c.primary == nil {
		h.next.ServeHTTP(w, in)
		flow.HandBack(r, in)
		return
	}
	s := &serving{copy: c}
	defer s.ended()
	h.next.ServeHTTP(s.Wrap(w, s), in)
	flow.HandBack(r, in)
	s.Finish()
	s.whole = true
}

// serving writes an answer that is compared.
type serving struct {
	rw.Writer
	recording
	copy  *replica
	whole bool // the handler has returned
}

// BeforeHeader implements rw.Hooks.
func (s *serving) BeforeHeader(status int) int {
	s.recording = s.copy.record(status, s.Header())
	return status
}

// WriteBody implements rw.BodyHook.
func (s *serving) WriteBody(p []byte) (int, error) {
	n, err := s.Send(p)
	s.add(p[:n])
	return n, err
}

// ended gives the answer to the copy.
func (s *serving) ended() {
	s.cut = s.cut || !s.whole
	s.copy.primary <- s.answer
}
