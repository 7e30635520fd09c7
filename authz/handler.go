package authz

import (
	"errors"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/internal/rw"
)

// Handler is a server layer that lets through what policies allow. The rest is
// answered with 403 and "RBAC: access denied", and what has a path that no proxy
// lets in with 400. A request goes on with the normal path by which it was judged,
// so that no handler reads it otherwise.
func (a *Authorizer) Handler(next http.Handler) http.Handler { return handler{a, next} }

type handler struct {
	authorizer *Authorizer
	next       http.Handler
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := h.authorizer.judge(r)
	if len(v.reply) == 0 {
		h.serve(w, r, v)
		return
	}
	s := &adding{header: v.reply, to: w}
	h.serve(s.Wrap(w, s), r, v)
	s.Finish()
}

// serve carries out a verdict.
func (h handler) serve(w http.ResponseWriter, r *http.Request, v verdict) {
	if !v.Allowed {
		mesh.WriteError(w, r, v.refusal())
		return
	}
	in := v.request
	if v.path != "" {
		in = withPath(in, v.path)
	}
	h.next.ServeHTTP(w, in)
	flow.HandBack(r, in)
}

// An adding answer gets further headers.
type adding struct {
	rw.Writer
	header http.Header
	to     http.ResponseWriter
}

// BeforeHeader implements rw.Hooks.
func (a *adding) BeforeHeader(status int) int {
	h := a.to.Header()
	for name, values := range a.header {
		h[name] = append(h[name], values...)
	}
	return status
}

// refusal is what a request gets that is not allowed.
func (d Decision) refusal() error {
	var said *mesh.Error
	if d.Action == Custom && errors.As(d.Err, &said) {
		return d.Err
	}
	e := &mesh.Error{
		Op: "authz", Flag: mesh.Denied, Status: http.StatusForbidden, Stage: mesh.NotSent, Details: d.Details(), Err: d.Err,
	}
	switch {
	case d.Err == errPath:
		e.Flag, e.Status = "", http.StatusBadRequest
	case d.Action == Custom:
		e.Flag = mesh.ExternalDenied
	}
	return e
}

// withPath is a copy of a served request with another path.
func withPath(r *http.Request, path string) *http.Request {
	r = r.WithContext(r.Context())
	u := *r.URL
	rawpath.Serve(&u, path) // a path that a URL does not keep stays in RequestURI
	r.URL, r.RequestURI = &u, path
	if u.RawQuery != "" || u.ForceQuery {
		r.RequestURI += "?" + u.RawQuery
	}
	return r
}
