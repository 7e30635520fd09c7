// Package flow is the record that goes with one request through all layers:
// what was decided, what was tried, and the memory that this takes.
//
// The first layer that needs it installs it with [Ensure]; layers inside find it
// in the request's context. Layers that work without it (a route, a split) fill
// it in when [Of] finds one. It holds what each attempt needs (the URL with the
// endpoint's address, the wrapper of the body), so that a request costs one
// allocation besides the copy of the caller's request.
package flow

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/body"
)

// A Flow is the record of one request. It is a context: the request's own,
// which knows the record. Until the first attempt is sent one goroutine at a time
// may write it; what an attempt learns it writes into its [Try].
type Flow struct {
	context.Context // the caller's, or the bound put on it by [Flow.Bound]

	Caller  context.Context // the context with which the request came
	Request *http.Request   // as the caller gave it; not to be changed
	Start   time.Time       // when the record was made: the one clock reading that layers share

	Route    string // the rule that was chosen
	Branch   string // the branch of the split
	Upstream string // the destination, Envoy's cluster

	Flags   mesh.Flag     // what befell the request outside of its attempts, such as DI
	Details string        // Envoy's response code details, where a layer set them
	Delayed time.Duration // by injected faults
	Faults  []string      // faults drawn, in words
	Mirrors []string      // destinations of copies

	Bounded time.Time     // when the bound on the whole request ends; zero for none, or while the request's body has not ended
	Total   time.Duration // the bound on the whole request, from the end of its body; zero for none

	// What whoever repeats the request tells the balancer. Tries are attempts whose
	// hosts it should not pick again; in the end they are the request's history.
	// Picks is how hard it tries: if positive it picks that many times more and
	// takes what it got, as Envoy does; if zero it leaves tried hosts out as long as
	// there is any other; if negative it takes its first pick. Priorities, if
	// positive, is after how many attempts it leaves out the priorities that were
	// tried, as Envoy's previous_priorities does.
	Tries      []*Try
	Picks      int32
	Priorities int32

	// The hash for balancing that was computed for all destinations of a rule, if
	// HashKnown, in place of those that balancers compute.
	Hash              uint64
	Hashed, HashKnown bool

	served bool

	// Where a random draw fell in the sum of a split's weights, and that sum. Both are
	// zero where no draw decided.
	Drawn uint32

	Draw uint64 // random bits that are the same for all attempts; zero until somebody needs them

	DrawnOf  uint32
	attempts atomic.Int32
	last     atomic.Pointer[Try]
	peer     atomic.Pointer[Workload]

	First Try
}

// A Try is the record of one attempt. The first lives in its Flow, further ones
// are contexts of their own.
type Try struct {
	context.Context // nil in the first

	Flow     *Flow
	N        int // 1 is the first
	Start    time.Time
	Duration time.Duration // until the answer's headers or the failure
	Waited   time.Duration // before this attempt
	Bounded  time.Time     // when the bound on this attempt ends; zero for none but the request's

	Host     any    // the balancer's host, a *lb.Host
	Endpoint string // its address
	Status   int
	Answer   *http.Response // as the balancer handed it on
	Failure  error          // nil when the server answered
	Why      string         // why another attempt followed

	URL  url.URL   // for the copy of the request that carries the endpoint's address
	Body body.Body // for the wrapper of the answer's body

	own       *http.Request
	begun     atomic.Bool
	ownHeader bool
}

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

// Value implements context.Context.
func (t *Try) Value(key any) any {
	switch key.(type) {
	case flowKey:
		return t.Flow
	case tryKey:
		return t
	}
	return t.Context.Value(key)
}

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
	t, _ := r.Context().Value(tryKey{}).(*Try)
	if t == nil || t.Flow.served || !t.covers(r) {
		return nil
	}
	return t
}

// covers reports whether r is t's copy of the request, or a copy of that made by
// a layer that is not ours.
func (t *Try) covers(r *http.Request) bool {
	own := t.own
	return r == own || r.URL == own.URL ||
		r.Method == own.Method && r.Host == own.Host && r.Body == own.Body && *r.URL == *own.URL
}

// Served is the record of a request that a handler serves, or nil.
func Served(r *http.Request) *Flow {
	f, _ := r.Context().Value(flowKey{}).(*Flow)
	if f == nil || !f.served {
		return nil
	}
	return f
}

// Serving is the record of the request that is being served where ctx comes
// from, or nil. It is for calls made on behalf of that request.
func Serving(ctx context.Context) *Flow {
	f, _ := ctx.Value(flowKey{}).(*Flow)
	for f != nil && !f.served {
		f, _ = f.Caller.Value(flowKey{}).(*Flow)
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

func install(r *http.Request, served bool) (*Flow, *http.Request) {
	ctx := r.Context()
	// Record and copy are one allocation; WithContext is inlined, and its own copy
	// stays on the stack.
	both := new(struct {
		f    Flow
		copy http.Request
	})
	f, own := &both.f, &both.copy
	f.Context, f.Caller, f.Request, f.Start, f.served = ctx, ctx, r, time.Now(), served
	f.First.Flow, f.First.N, f.First.Start, f.First.own = f, 1, f.Start, own
	*own = *r.WithContext(f)
	return f, f.First.own
}

// Bound makes ctx, a child of f's context, the context of the request from here
// on. It must be called before the request is handed on.
func (f *Flow) Bound(ctx context.Context) { f.Context = ctx }

// Next is the record of a further attempt and a copy of r for it. The copy has
// r's URL and shares its header. ctx bounds the attempt and must come from f.
func (f *Flow) Next(ctx context.Context, r *http.Request, n int) (*Try, *http.Request) {
	both := new(struct { // one allocation, as in install
		t    Try
		copy http.Request
	})
	t, own := &both.t, &both.copy
	t.Context, t.Flow, t.N, t.Start, t.own = ctx, f, n, time.Now(), own
	*own = *r.WithContext(t)
	return t, own
}

// Begin notes that t's attempt is being made, once, however often it is called.
// A balancer calls it when it has set t's host, which may then be read while the
// attempt is under way. Hedged attempts may begin at the same time.
func (t *Try) Begin() {
	if !t.begun.Load() && !t.begun.Swap(true) {
		t.Flow.attempts.Add(1)
		t.Flow.last.Store(t)
	}
}

// Begun reports whether [Try.Begin] was called.
func (t *Try) Begun() bool { return t.begun.Load() }

// Attempts is how many attempts have begun.
func (f *Flow) Attempts() int { return int(f.attempts.Load()) }

// Last is the attempt that began last, or nil.
func (f *Flow) Last() *Try { return f.last.Load() }

// Own is r when it is a copy that the layers made, and may be changed, or else
// a copy. The header is still the caller's: see [OwnHeader].
func Own(r *http.Request) *http.Request {
	if owned(r) != nil {
		return r
	}
	return r.WithContext(r.Context())
}

// OwnHeader is [Own] for a layer that changes the header as well: the copy's
// header map may be changed, too.
func OwnHeader(r *http.Request) *http.Request {
	t := owned(r)
	if t == nil {
		r = r.WithContext(r.Context())
		r.Header = cloned(r.Header)
		return r
	}
	if !t.ownHeader {
		r.Header = cloned(r.Header)
		t.ownHeader = true
	}
	return r
}

// owned is the record whose own copy r is, or nil.
func owned(r *http.Request) *Try {
	if t, _ := r.Context().Value(tryKey{}).(*Try); t != nil && t.own == r {
		return t
	}
	return nil
}

// cloned is a copy of h that can be written even where h is nil.
func cloned(h http.Header) http.Header {
	if h == nil {
		return make(http.Header)
	}
	return h.Clone()
}

// Flag notes that something befell a client's request, if it has a record.
func Flag(r *http.Request, flag mesh.Flag) {
	if f := Of(r); f != nil {
		f.Flags = f.Flags.With(flag)
	}
}
