package limit

import (
	"net/http"

	"github.com/sidecarless/mesh"
)

// Handler is a server layer that answers requests that come too fast in place of
// next.
func (l *Limiter) Handler(next http.Handler) http.Handler { return &handler{l, next} }

type handler struct {
	limiter *Limiter
	next    http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, counted, err := h.limiter.admit(r)
	if err != nil {
		mesh.WriteError(w, r, err)
		return
	}
	if counted {
		v.tell(w.Header())
	}
	h.next.ServeHTTP(w, r)
}

// Transport is a client layer that refuses requests that are sent too fast. Inside
// of a layer that repeats requests it counts every attempt. Answers are handed on
// as they come: their x-ratelimit headers are the server's.
func (l *Limiter) Transport(next http.RoundTripper) http.RoundTripper { return &transport{l, next} }

type transport struct {
	limiter *Limiter
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, _, err := t.limiter.admit(r); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return t.next.RoundTrip(r)
}
