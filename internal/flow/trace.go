package flow

import (
	"context"
	"net/http"

	"github.com/sidecarless/mesh"
)

// TraceKey is the key under which the context of a request has its [*mesh.Trace]. The
// layer that traces puts it there, with [Flow.Bound].
type TraceKey struct{}

// TraceOf is the trace to which the request of ctx belongs, or nil.
func TraceOf(ctx context.Context) *mesh.Trace {
	t, _ := ctx.Value(TraceKey{}).(*mesh.Trace)
	return t
}

type copyKey struct{}

// IsCopy reports whether a request with the context ctx is one that [Detached] is
// for.
func IsCopy(ctx context.Context) bool { return ctx.Value(copyKey{}) != nil }

// HandBack gives r, a request that a handler has served as the copy in, what its
// server must know: it removes the files of the form that was parsed from its own
// request. Every layer that hands on a copy calls it.
func HandBack(r, in *http.Request) {
	if r.MultipartForm == nil {
		r.MultipartForm = in.MultipartForm
	}
}

// NotePattern notes in the record of a request that is being served the pattern
// by which an [http.ServeMux] found its handler. R is the request that the mux got:
// the mux writes the pattern there, and layers further out may have another copy.
func NotePattern(r *http.Request) {
	if f := Served(r); f != nil {
		f.First.own.Pattern = r.Pattern
	}
}

// Pattern is what [NotePattern] noted, empty if nothing.
func (f *Flow) Pattern() string { return f.First.own.Pattern }
