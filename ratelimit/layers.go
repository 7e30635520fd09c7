package ratelimit

import (
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler is a server layer that answers requests that are over a limit in place
// of next. What the service wants to be added to a request or to its answer is.
func (c *Client) Handler(next http.Handler) http.Handler { return &handler{c, next} }

type handler struct {
	client *Client
	next   http.Handler
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := h.client.ask(r)
	if err != nil {
		mesh.WriteError(w, r, err)
		return
	}
	if len(a.request) > 0 {
		r = r.WithContext(r.Context())
		r.Header = r.Header.Clone()
		addTo(r.Header, a.request)
	}
	if len(a.response) == 0 {
		h.next.ServeHTTP(w, r)
		return
	}
	out := &adding{more: a.response}
	h.next.ServeHTTP(out.Wrap(w, out), r)
	out.Finish()
}

// adding is an answer to which headers are added when it is written.
type adding struct {
	rw.Writer
	more http.Header
}

// BeforeHeader implements rw.Hooks.
func (a *adding) BeforeHeader(status int) int {
	addTo(a.Header(), a.more)
	return status
}

// Transport is a client layer that refuses requests that are over a limit. Inside
// of a layer that repeats requests it asks about every attempt.
func (c *Client) Transport(next http.RoundTripper) http.RoundTripper { return &transport{c, next} }

type transport struct {
	client *Client
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := t.client.ask(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if len(a.request) > 0 {
		r = flow.OwnHeader(r)
		addTo(r.Header, a.request)
	}
	res, err := t.next.RoundTrip(r)
	if err == nil && len(a.response) > 0 {
		if res.Header == nil {
			res.Header = http.Header{}
		}
		addTo(res.Header, a.response)
	}
	return res, err
}
