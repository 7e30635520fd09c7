package breaker

import (
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler is a server's layer, by which the server protects itself: what it
// refuses is answered with 503 and, where a circuit is open, with Retry-After. A
// request counts until next returns.
func (b *Breaker) Handler(next http.Handler) http.Handler { return &handler{b, next} }

type handler struct {
	b    *Breaker
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var permit Permit
	if err := h.b.acquire(r.Context(), h.b.circuitFor(r), &permit); err != nil {
		mesh.WriteError(w, r, err)
		return
	}
	var seen rw.Writer
	wrapped := seen.Wrap(w, nil)
	returned := false
	defer func() { permit.done(served(&seen, r, returned)) }()
	h.next.ServeHTTP(wrapped, r)
	returned = true
}

// served is how a request has ended for its server. A handler that panics has
// failed, if the caller is still there.
func served(w *rw.Writer, r *http.Request, returned bool) mesh.Outcome {
	switch {
	case r.Context().Err() != nil:
		return mesh.Outcome{Kind: mesh.Neutral}
	case !returned:
		return mesh.Outcome{Kind: mesh.Failure, Status: http.StatusInternalServerError}
	case w.Status() == 0:
		return mesh.Outcome{Status: http.StatusOK}
	}
	return mesh.OutcomeOf(r.Context(), &http.Response{StatusCode: w.Status(), Header: w.Unwrap().Header()}, nil)
}
