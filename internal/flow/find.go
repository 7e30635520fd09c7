package flow

import (
	"context"
	"net/http"
)

// Of is the record of a client's request, or nil. A record in the context that
// belongs to another request (the one being served, say, while r is a call made
// for it) is not r's.
func Of(r *http.Request) *Flow {
	if t := TryOf(r); t != nil {
		return t.Flow
	}
	return nil
}

// TryOf is the record of a client's attempt, or nil. Above the layer that
// repeats it is the first attempt's.
func TryOf(r *http.Request) *Try {
	t := tryIn(r.Context())
	if t == nil || t.Flow.served() || !t.covers(r) {
		return nil
	}
	return t
}

// tryIn is the attempt that a context belongs to, or nil. Usually the context is
// the record itself.
func tryIn(ctx context.Context) *Try {
	switch c := ctx.(type) {
	case *Flow:
		return &c.First
	case *trying:
		return c.t
	}
	t, _ := ctx.Value(tryKey{}).(*Try)
	return t
}

// covers reports whether r is t's copy of the request, or a copy of that made by
// a layer that is not ours.
func (t *Try) covers(r *http.Request) bool {
	own := t.own
	return r == own || r.URL == own.URL ||
		r.Method == own.Method && r.Host == own.Host && r.Body == own.Body && *r.URL == *own.URL
}

// EnsureTry is [Ensure] for a layer that looks at the attempt.
func EnsureTry(r *http.Request) (*Try, *http.Request) {
	if t := TryOf(r); t != nil {
		return t, r
	}
	f, own := install(r, false)
	return &f.First, own
}

// Served is the record of a request that a handler serves, or nil.
func Served(r *http.Request) *Flow {
	f, _ := r.Context().Value(flowKey{}).(*Flow)
	if f == nil || !f.served() {
		return nil
	}
	return f
}

// served reports whether f is of a request that a handler serves.
func (f *Flow) served() bool { return f.First.state.Load()&inbound != 0 }

// Serving is the record of the request that is being served where ctx comes
// from, or nil. It is for calls made on behalf of that request.
func Serving(ctx context.Context) *Flow {
	f, _ := ctx.Value(flowKey{}).(*Flow)
	for f != nil && !f.served() {
		f, _ = f.Caller().Value(flowKey{}).(*Flow)
	}
	return f
}

// Detached is for a request of our own that is made because of another one, such
// as a copy: it has the values of ctx, but neither its end nor its record.
func Detached(ctx context.Context) context.Context {
	if f, ok := ctx.(*Flow); ok {
		ctx = f.Context // whoever is asked next may put a bound there, see Bound
	}
	return detached{context.WithoutCancel(ctx)}
}

type detached struct{ context.Context }

// Value implements context.Context.
func (d detached) Value(key any) any {
	switch key.(type) {
	case flowKey, tryKey:
		return nil
	case copyKey:
		return true
	}
	return d.Context.Value(key)
}
