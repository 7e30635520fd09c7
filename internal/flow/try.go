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
	inbound               // it is no attempt, but a request that a handler serves
	replaced              // another attempt is made in its place
	beside                // others may be made at the same time
	lost                  // Lose was called
	busy                  // a balancer sends it
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

// Ended gives back what [OwnTry] has taken, and notes with which status an attempt ended
// that was answered, for layers around the one that judged it.
func (t *Try) Ended(o mesh.Outcome) {
	var status uint32
	if o.Err == nil {
		status = uint32(o.Status)
	}
	t.state.Add(status*settled - busy) // OwnTry left it with busy and without a status
}

// Settled is the outcome that was noted.
func (t *Try) Settled() (mesh.Outcome, bool) {
	o := mesh.Outcome{Status: int(t.state.Load() / settled)}
	if o.Status >= http.StatusInternalServerError {
		o.Kind = mesh.Failure
	}
	return o, o.Status != 0
}

// A trying is the context of a further attempt.
type trying struct {
	context.Context
	t      *Try
	choice Choice // for the first it stands in the record
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

// Next is the record of a further attempt and a copy of r for it, or with an n of 1
// of a first one in place of r's. The copy has r's URL and shares its header. ctx bounds
// the attempt and must come from that around r.
func (f *Flow) Next(ctx context.Context, r *http.Request, n int) (*Try, *http.Request) {
	all := new(struct { // one allocation, as a record
		t    Try
		ctx  trying
		copy http.Request
	})
	t, own := &all.t, &all.copy
	f.Tell() // where it is noted that the attempt began
	of := tryIn(r.Context())
	if n == 1 {
		of.state.Or(replaced)
	}
	t.Flow, t.N, t.Began, t.own = f, int32(n), time.Since(f.Start), own
	all.ctx = trying{ctx, t, *of.Choice()}
	*own = *r.WithContext(&all.ctx)
	return t, own
}

// Choice is where layers send t's attempt.
func (t *Try) Choice() *Choice {
	if t == &t.Flow.First {
		return &t.Flow.Choice
	}
	return &t.own.Context().(*trying).choice
}

// Chosen is what was chosen as seen from where t is found: beyond whoever repeats
// the request, for the attempt that counts.
func (t *Try) Chosen() *Choice {
	if t == &t.Flow.First {
		chosen, _ := t.Flow.Chosen()
		return chosen
	}
	return t.Choice()
}

// Begin notes that t's attempt is being made, once, however often it is called.
// A balancer calls it when it has set t's host, which may then be read while the
// attempt is under way. Hedged attempts may begin at the same time. One in whose
// place further in another is made, the first of several, does not begin.
func (t *Try) Begin() {
	if t.state.Load()&(begun|replaced) != 0 || t.state.Or(begun)&begun != 0 {
		return
	}
	if t != &t.Flow.First {
		t.Flow.More.began(t)
	}
}

// Accompany notes that other attempts may be made beside t, before it is made.
func (t *Try) Accompany() { t.state.Or(beside) }

// Accompanied reports whether [Try.Accompany] was called.
func (t *Try) Accompanied() bool { return t.state.Load()&beside != 0 }

// Lose notes that another attempt, made beside t, counts in its place, however far t
// has come.
func (t *Try) Lose() { t.state.Or(lost) }

// Begun reports whether [Try.Begin] was called.
func (t *Try) Begun() bool { return t.state.Load()&begun != 0 }
