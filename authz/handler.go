package authz

import (
	"net/http"

	"github.com/sidecarless/mesh"
)

// Handler is a server layer that lets through what policies allow. The rest is
// answered with 403 and "RBAC: access denied", and what has a path that no proxy
// lets in with 400.
func (a *Authorizer) Handler(next http.Handler) http.Handler { return handler{a, next} }

type handler struct {
	authorizer *Authorizer
	next       http.Handler
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := h.authorizer.Decide(r)
	if d.Allowed {
		h.next.ServeHTTP(w, r)
		return
	}
	e := &mesh.Error{Op: "authz", Flag: mesh.Denied, Status: http.StatusForbidden, Stage: mesh.NotSent, Details: d.Details(), Err: d.Err}
	if d.Err == errPath {
		e.Flag, e.Status, e.Details = "", http.StatusBadRequest, "path_normalization_failed"
	}
	mesh.WriteError(w, r, e)
}
