package fault

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler lets the requests that next serves meet faults. A reset breaks the
// connection, of HTTP/2 the stream.
func (i *Injector) Handler(next http.Handler) http.Handler { return &handler{i, next} }

type handler struct {
	i    *Injector
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := h.i.plan.Load()
	if !p.touches(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	if d, hit := h.i.draw(p, r); hit {
		h.meet(w, r, &d)
		return
	}
	h.next.ServeHTTP(w, r)
}

// meet lets a request meet its fault, which holds a place among the active ones.
func (h *handler) meet(w http.ResponseWriter, r *http.Request, d *Decision) {
	defer h.i.leave()
	f := flow.Served(r)
	if d.Delay > 0 {
		if err := h.i.delay(r.Context(), f, d.Delay); err != nil {
			mesh.WriteError(w, r, err)
			return
		}
	}
	if d.aborts() {
		h.i.counts.aborts.Add(1)
		note(f, mesh.FaultInjected, d.words())
		if d.Reset {
			reset(w)
		}
		mesh.WriteError(w, r, d.refusal())
		return
	}
	if !d.bends() {
		h.next.ServeHTTP(w, r)
		return
	}
	note(f, "", d.words())
	s := &serving{ctx: r.Context(), pace: newPacer(d.Rate), drips: d.Rate > 0, cut: d.Cut, left: d.After}
	h.next.ServeHTTP(s.Wrap(w, s), r)
	if s.broken {
		panic(http.ErrAbortHandler)
	}
}

// reset breaks the connection without an answer, and does not return.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		var below net.Conn = conn
		if t, ok := below.(*tls.Conn); ok {
			below = t.NetConn()
		}
		if c, ok := below.(interface{ SetLinger(int) error }); ok {
			c.SetLinger(0) // without it the connection ends in a less drastic way
		}
		below.Close()
	}
	panic(http.ErrAbortHandler)
}

// A serving writes an answer that comes slowly or breaks off.
type serving struct {
	rw.Writer
	ctx    context.Context
	pace   pacer
	drips  bool
	cut    bool
	left   int64 // bytes before the cut
	broken bool
}

// errCut is what a handler gets that writes to an answer after it was cut.
var errCut = errors.New("fault: the answer was cut")

// BeforeHeader implements rw.Hooks.
func (s *serving) BeforeHeader(status int) int { return status }

// WriteBody implements rw.BodyHook.
func (s *serving) WriteBody(p []byte) (written int, err error) {
	for len(p) > 0 {
		if s.cut && s.left == 0 {
			return written, s.breakOff()
		}
		part := p
		if s.cut {
			part = part[:min(int64(len(part)), s.left)]
		}
		if s.drips {
			part = part[:min(int64(len(part)), s.pace.slice())]
			if late := s.pace.spend(time.Now(), int64(len(part))); late > 0 {
				http.NewResponseController(s).Flush() // what cannot be flushed comes at the end
				if err := sleep(s.ctx, late); err != nil {
					return written, err
				}
			}
		}
		n, err := s.Send(part)
		written += n
		s.left -= int64(n)
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// breakOff sends what there is. The connection breaks when the handler returns,
// since a panic could hit a goroutine of the handler that is not guarded.
func (s *serving) breakOff() error {
	if !s.broken {
		s.broken = true
		http.NewResponseController(s).Flush() // the answer breaks anyway
	}
	return errCut
}
