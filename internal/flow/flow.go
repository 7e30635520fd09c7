// Package flow is the record that goes with one request through all layers:
// what was decided, what was tried, and the memory that this takes.
//
// The first layer that needs it installs it with [Ensure]; layers inside find it
// in the request's context. Layers that work without it (a route, a split) fill
// it in when [Of] finds one. It holds what each attempt needs (the URL with the
// endpoint's address, the wrapper of the body), and lies in one allocation with
// the copy of the caller's request.
package flow

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
)

// A Flow is the record of one request. It is a context: the request's own,
// which knows the record. Until the first attempt is sent one goroutine at a time
// may write it; what an attempt learns it writes into its [Try].
//
// Every request pays for its size: what few of them need stands in [More].
type Flow struct {
	context.Context // the caller's, or the bound put on it by [Flow.Bound]

	Request *http.Request // as the caller gave it; not to be changed
	Start   time.Time     // when the record was made: the one clock reading that layers share

	Choice // for the first attempt, and by layers around whoever repeats the request; see [Flow.Chosen]

	More *More // nil until somebody needs it: see [Flow.Tell]

	Bounded time.Duration // from Start to the end of the bound on the whole request; zero for none, or while the request's body has not ended
	Total   time.Duration // the bound on the whole request, from the end of its body; zero for none

	Draw uint64 // random bits that are the same for all attempts; zero until somebody needs them

	peer atomic.Pointer[mesh.Workload]

	First Try
}

// A Choice is where layers send an attempt.
type Choice struct {
	Route    string // the rule that was chosen
	Branch   string // the branch of the split
	Upstream string // the destination, Envoy's cluster

	// Where a random draw fell in the sum of a split's weights, and that sum. Both are
	// zero where no draw decided.
	Drawn, DrawnOf uint32
}

// Caller is the context with which the request came.
func (f *Flow) Caller() context.Context { return f.Request.Context() }

type (
	flowKey struct{}
	tryKey  struct{}
)

// Value implements context.Context.
func (f *Flow) Value(key any) any {
	switch key.(type) {
	case flowKey:
		return f
	case tryKey:
		return &f.First
	}
	return f.Context.Value(key)
}

// Ensure is the record of a client's request and the request to hand on: r
// itself when it has a record, else a copy with a new one.
func Ensure(r *http.Request) (*Flow, *http.Request) {
	if f := Of(r); f != nil {
		return f, r
	}
	return install(r, false)
}

// EnsureServed is [Ensure] for a request that a handler serves.
func EnsureServed(r *http.Request) (*Flow, *http.Request) {
	if f := Served(r); f != nil {
		return f, r
	}
	return install(r, true)
}

// EnsureWith is [Ensure] for a layer that keeps something of its own with each
// request. That lies in one allocation with the record, if there was none.
func EnsureWith[T any](r *http.Request) (*Flow, *http.Request, *T) {
	if f := Of(r); f != nil {
		return f, r, new(T)
	}
	return installWith[T](r, false)
}

// EnsureServedWith is [EnsureWith] for a request that a handler serves.
func EnsureServedWith[T any](r *http.Request) (*Flow, *http.Request, *T) {
	if f := Served(r); f != nil {
		return f, r, new(T)
	}
	return installWith[T](r, true)
}

// A record is a Flow and the copy of the request that carries it, which are one
// allocation.
type record struct {
	f    Flow
	copy http.Request
}

func install(r *http.Request, served bool) (*Flow, *http.Request) {
	return new(record).install(r, served)
}

func installWith[T any](r *http.Request, served bool) (*Flow, *http.Request, *T) {
	all := new(struct {
		record
		own T
	})
	f, r := all.install(r, served)
	return f, r, &all.own
}

func (rec *record) install(r *http.Request, served bool) (*Flow, *http.Request) {
	f, own := &rec.f, &rec.copy
	f.Context, f.Request, f.Start = r.Context(), r, time.Now()
	if served {
		f.First.state.Store(inbound)
	}
	f.First.Flow, f.First.N, f.First.own = f, 1, own
	*own = *r.WithContext(f) // which is inlined, and its own copy stays on the stack
	return f, own
}

// Bound makes ctx, a child of f's context, the context of the request from here
// on. It must be called before the request is handed on. Layers around see it, too: see
// [Around].
func (f *Flow) Bound(ctx context.Context) { f.Context = ctx }

// Attempts is how many attempts have begun.
func (f *Flow) Attempts() (n int) {
	if f.First.Begun() {
		n = 1
	}
	if m := f.More; m != nil {
		n += int(m.further.Load())
	}
	return n
}

// Last is the attempt that counts, or nil: the one that began last or, where several
// were made at the same time, the one that won.
func (f *Flow) Last() *Try {
	if m := f.More; m != nil {
		if t := m.last.Load(); t != nil {
			return t
		}
	}
	if f.First.Begun() {
		return &f.First
	}
	return nil
}

// Chosen is what was chosen for the attempt that counts, and that attempt, or nil, as
// [Flow.Last] has them. Where attempts are hedged, another one may begin between two
// questions.
func (f *Flow) Chosen() (*Choice, *Try) {
	if t := f.Last(); t != nil {
		return t.Choice(), t
	}
	return &f.Choice, nil
}

// Flag notes that something befell a client's request, if it has a record.
func Flag(r *http.Request, flag mesh.Flag) {
	if f := Of(r); f != nil {
		f.Tell().Flags = f.Tell().Flags.With(flag)
	}
}
