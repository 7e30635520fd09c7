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
//
// Every request pays for its size: what few of them need stands in [More].
type Flow struct {
	context.Context // the caller's, or the bound put on it by [Flow.Bound]

	Request *http.Request // as the caller gave it; not to be changed
	Start   time.Time     // when the record was made: the one clock reading that layers share

	Route    string // the rule that was chosen
	Branch   string // the branch of the split
	Upstream string // the destination, Envoy's cluster

	More *More // nil until somebody needs it: see [Flow.Tell]

	Bounded time.Duration // from Start to the end of the bound on the whole request; zero for none, or while the request's body has not ended
	Total   time.Duration // the bound on the whole request, from the end of its body; zero for none

	Draw uint64 // random bits that are the same for all attempts; zero until somebody needs them

	// Where a random draw fell in the sum of a split's weights, and that sum. Both are
	// zero where no draw decided.
	Drawn, DrawnOf uint32

	peer     atomic.Pointer[Workload]
	attempts atomic.Int32
	served   bool

	First Try
}

// More is what few requests need of a record.
type More struct {
	Flags   mesh.Flag     // what befell the request outside of its attempts, such as DI
	Details string        // Envoy's response code details, where a layer set them
	Delayed time.Duration // by injected faults
	Faults  []string      // faults drawn, in words
	Mirrors []string      // destinations of copies

	// Tries are the attempts that have ended, as whoever repeats the request lists
	// them: its history.
	Tries []*Try

	// What whoever repeats the request tells the balancer. Picks is how hard it tries
	// to pick no host of [Try.Tried] again: if positive it picks that many times more and
	// takes what it got, as Envoy does; if zero it leaves tried hosts out as long as
	// there is any other; if negative it takes its first pick. Priorities, if
	// positive, is after how many attempts it leaves out the priorities that were
	// tried, as Envoy's previous_priorities does.
	Picks      int
	Priorities int

	// The hash for balancing that was computed for all destinations of a rule, if
	// HashKnown, in place of those that balancers compute.
	Hash              uint64
	Hashed, HashKnown bool

	last atomic.Pointer[Try] // unless it is the First
}

// A Try is the record of one attempt. The first lives in its Flow, further ones
// are contexts of their own.
type Try struct {
	Flow  *Flow
	Began time.Duration // since the request's Start

	Host   Host           // which the balancer picked
	Answer *http.Response // as the balancer handed it on
	Told   *Told          // by whoever repeats the request; nil if nothing

	URL  url.URL   // for the copy of the request that carries the endpoint's address
	Body body.Body // for the wrapper of the answer's body

	own   *http.Request
	N     int32         // 1 is the first
	state atomic.Uint32 // the bits below, and from settled on the status with which it ended
}

const (
	begun     = 1 << iota // Begin was called
	ownHeader             // the header of own is no longer the caller's
	settled               // times the status
)

// Told is what whoever repeats a request says of one of its attempts.
type Told struct {
	mesh.Try               // how it ended
	Bounded  time.Duration // from the request's Start to the end of the bound on this attempt; zero for none but the request's
	Tried    []*Try        // the attempts before, whose hosts the balancer should not pick again; not changed any more
}

// A Host is what a balancer picked, a *lb.Host.
type Host interface{ Addr() string }

// Endpoint is the address of t's host; empty while it has none.
func (t *Try) Endpoint() string {
	if t.Host == nil {
		return ""
	}
	return t.Host.Addr()
}

// Tried is what was told of attempts before t.
func (t *Try) Tried() []*Try {
	if t.Told == nil {
		return nil
	}
	return t.Told.Tried
}

// Start is when the attempt began.
func (t *Try) Start() time.Time { return t.Flow.Start.Add(t.Began) }

// Spent is how long the attempt has been under way.
func (t *Try) Spent() time.Duration { return time.Since(t.Flow.Start) - t.Began }

// Context is the attempt's own.
func (t *Try) Context() context.Context { return t.own.Context() }

// Settle notes with which status an attempt ended that was answered, for layers
// around the one that judged it.
func (t *Try) Settle(o mesh.Outcome) {
	if o.Err == nil {
		t.state.Or(uint32(o.Status) * settled)
	}
}

// Settled is the outcome that was noted.
func (t *Try) Settled() (mesh.Outcome, bool) {
	o := mesh.Outcome{Status: int(t.state.Load() / settled)}
	if o.Status >= http.StatusInternalServerError {
		o.Kind = mesh.Failure
	}
	return o, o.Status != 0
}

// Tell is f's More, made when it is asked for the first time.
func (f *Flow) Tell() *More {
	if f.More == nil {
		f.More = new(More)
	}
	return f.More
}

// Caller is the context with which the request came.
func (f *Flow) Caller() context.Context { return f.Request.Context() }

// End is when the bound on the request ends; zero for none.
func (f *Flow) End() time.Time {
	if f.Bounded == 0 {
		return time.Time{}
	}
	return f.Start.Add(f.Bounded)
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

// A trying is the context of a further attempt.
type trying struct {
	context.Context
	t *Try
}

// Value implements context.Context.
func (c *trying) Value(key any) any {
	switch key.(type) {
	case flowKey:
		return c.t.Flow
	case tryKey:
		return c.t
	}
	return c.Context.Value(key)
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
	t := tryIn(r.Context())
	if t == nil || t.Flow.served || !t.covers(r) {
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
	f.Context, f.Request, f.Start, f.served = ctx, r, time.Now(), served
	f.First.Flow, f.First.N, f.First.own = f, 1, own
	*own = *r.WithContext(f)
	return f, f.First.own
}

// Bound makes ctx, a child of f's context, the context of the request from here
// on. It must be called before the request is handed on.
func (f *Flow) Bound(ctx context.Context) { f.Context = ctx }

// Next is the record of a further attempt and a copy of r for it. The copy has
// r's URL and shares its header. ctx bounds the attempt and must come from f.
func (f *Flow) Next(ctx context.Context, r *http.Request, n int) (*Try, *http.Request) {
	all := new(struct { // one allocation, as in install
		t    Try
		ctx  trying
		copy http.Request
	})
	t, own := &all.t, &all.copy
	f.Tell() // where it is noted that the attempt began
	t.Flow, t.N, t.Began, t.own = f, int32(n), time.Since(f.Start), own
	all.ctx.Context, all.ctx.t = ctx, t
	*own = *r.WithContext(&all.ctx)
	return t, own
}

// Begin notes that t's attempt is being made, once, however often it is called.
// A balancer calls it when it has set t's host, which may then be read while the
// attempt is under way. Hedged attempts may begin at the same time.
func (t *Try) Begin() {
	if t.state.Load()&begun == 0 && t.state.Or(begun)&begun == 0 {
		t.Flow.attempts.Add(1)
		if t != &t.Flow.First {
			t.Flow.More.last.Store(t)
		}
	}
}

// Begun reports whether [Try.Begin] was called.
func (t *Try) Begun() bool { return t.state.Load()&begun != 0 }

// Attempts is how many attempts have begun.
func (f *Flow) Attempts() int { return int(f.attempts.Load()) }

// Last is the attempt that began last, or nil.
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

// Own is r when it is a copy that the layers made, and may be changed, or else
// a copy. The header is still the caller's: see [OwnHeader].
func Own(r *http.Request) *http.Request {
	if owned(r) != nil {
		return r
	}
	return r.WithContext(r.Context())
}

// OwnTry is the record of a client's attempt, installed if there was none, and r
// itself if it is ours to change, or else a copy.
func OwnTry(r *http.Request) (*Try, *http.Request) {
	t := TryOf(r)
	if t == nil {
		f, own := install(r, false)
		return &f.First, own
	}
	if t.own != r {
		r = r.WithContext(r.Context())
	}
	return t, r
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
	if t.state.Or(ownHeader)&ownHeader == 0 {
		r.Header = cloned(r.Header)
	}
	return r
}

// owned is the record whose own copy r is, or nil.
func owned(r *http.Request) *Try {
	if t := tryIn(r.Context()); t != nil && t.own == r {
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
		f.Tell().Flags = f.Tell().Flags.With(flag)
	}
}

// History is how attempts ended, in the order in which they did.
func (m *More) History() []mesh.Try {
	if len(m.Tries) == 0 {
		return nil
	}
	tries := make([]mesh.Try, 0, len(m.Tries))
	for _, t := range m.Tries {
		if t.Told != nil {
			tries = append(tries, t.Told.Try)
		}
	}
	return tries
}
