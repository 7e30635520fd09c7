package drain

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// A Drain is the state of a server: it serves, or it is about to leave. The zero
// Drain serves. It must not be copied once used.
type Drain struct{ began atomic.Bool }

// Begin says that the server is about to leave. There is no way back.
func (d *Drain) Begin() { d.began.Store(true) }

// Draining reports whether the server is about to leave.
func (d *Drain) Draining() bool { return d.began.Load() }

// Ready answers readiness checks: 200 while the server serves and 503 once it
// drains. It is an [http.HandlerFunc].
func (d *Drain) Ready(w http.ResponseWriter, _ *http.Request) {
	if d.Draining() {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "draining\n") // whom it does not reach sees the status
		return
	}
	io.WriteString(w, "ready\n") // likewise
}

// Handler is a layer that tells callers, once the server drains, with each answer
// that begins then. Requests that ask for another protocol are left alone, since
// their connection is theirs.
func (d *Drain) Handler(next http.Handler) http.Handler { return &handler{d, next} }

type handler struct {
	drain *Drain
	next  http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.drain.Draining() && len(r.Header["Upgrade"]) == 0 {
		header := w.Header()
		header.Set("Connection", "close") // for HTTP/2 net/http makes a GOAWAY of it
		header.Set("X-Envoy-Immediate-Health-Check-Fail", "true")
	}
	h.next.ServeHTTP(w, r)
}

// Shutdown drains for the time of a notice, which should be longer than it takes
// callers to check readiness, and then shuts the server down: it waits for requests
// under way until ctx ends, which also ends the notice.
func (d *Drain) Shutdown(ctx context.Context, s *http.Server, notice time.Duration) error {
	d.Begin()
	timer := time.NewTimer(notice)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.Shutdown(ctx)
}
