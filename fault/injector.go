package fault

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// An Injector draws faults and lets requests meet them. It may be used by many
// goroutines at once.
type Injector struct {
	plan   atomic.Pointer[plan]
	active atomic.Int64
	counts struct{ delays, aborts, drips, cuts, overflows atomic.Uint64 }
}

// Stats count what has happened since the Injector was made.
type Stats struct {
	Delays    uint64 // requests delayed, also those whose caller went away meanwhile
	Aborts    uint64 // requests answered or reset
	Drips     uint64 // answers slowed down
	Cuts      uint64 // answers to be cut after some bytes
	Overflows uint64 // requests that passed because MaxActive were under way
	Active    int    // requests with a fault under way
}

// New compiles a configuration. The error lists all that is wrong with it.
func New(c Config) (*Injector, error) {
	i := new(Injector)
	return i, i.Update(c)
}

// Update replaces the configuration, or returns why not. Requests under way keep
// the faults that they have drawn.
func (i *Injector) Update(c Config) error {
	p, err := compile(c)
	if err != nil {
		return err
	}
	i.plan.Store(p)
	return nil
}

// Stats are the counters as they stand.
func (i *Injector) Stats() Stats {
	return Stats{
		Delays: i.counts.delays.Load(), Aborts: i.counts.aborts.Load(), Drips: i.counts.drips.Load(),
		Cuts: i.counts.cuts.Load(), Overflows: i.counts.overflows.Load(), Active: int(i.active.Load()),
	}
}

// A Decision is what happens to one request. The zero Decision is nothing.
type Decision struct {
	Delay  time.Duration // first
	Status int           // then it is answered with this; zero lets it pass
	GRPC   int           // the status for a gRPC caller; zero is the one that stands for Status
	Reset  bool          // then its connection breaks
	Rate   int64         // its answer comes at so many bytes a second; zero is as fast as it can
	Cut    bool          // its answer breaks off
	After  int64         // the bytes of the body before that
}

// Decide is what happens to a request with this draw, 64 random bits: equal draws
// get equal faults. It counts nothing and does not know of MaxActive; for the end
// of an order that is signed it looks at the clock.
func (i *Injector) Decide(r *http.Request, draw uint64) Decision {
	p := i.plan.Load()
	if !p.touches(r) {
		return Decision{}
	}
	return p.decide(r, draw)
}

// Every fault has a draw of its own, made of the request's by way of one of these.
const (
	drawDelay uint64 = (iota + 1) << 56
	drawSpread
	drawAbort
	drawDrip
	drawCut
	drawOrderedDelay
	drawOrderedAbort
)

func (p *plan) decide(r *http.Request, draw uint64) (d Decision) {
	if hit(p.Drip.Share, draw^drawDrip) {
		d.Rate = p.Drip.Rate
	}
	if hit(p.Delay.Share, draw^drawDelay) {
		d.Delay = p.Delay.For + p.Delay.Spread.at(mix(draw^drawSpread))
	}
	if hit(p.Abort.Share, draw^drawAbort) {
		d.Status, d.GRPC, d.Reset = p.plain, p.Abort.GRPC, p.Abort.Reset
	}
	if hit(p.Cut.Share, draw^drawCut) {
		d.Cut, d.After = true, p.Cut.After
	}
	if p.asked {
		p.Asked.decide(&d, r.Header, draw)
	}
	if p.order {
		p.Ordered.decide(&d, r, draw)
	}
	return d
}

// hit draws, for a share that is usually none.
func hit(share mesh.Fraction, draw uint64) bool { return share != 0 && share.Hit(mix(draw)) }

// aborts reports whether the request does not get through.
func (d *Decision) aborts() bool { return d.Status != 0 || d.Reset }

// bends reports whether the answer's body is changed.
func (d *Decision) bends() bool { return !d.aborts() && (d.Rate != 0 || d.Cut) }

// touches reports whether a request may meet a fault at all.
func (p *plan) touches(r *http.Request) bool {
	return !p.idle && (p.when == nil || p.when.Match(r))
}

// draw decides on a request that may meet a fault, and takes a place among the
// active faults, which must be given back by leave unless nothing happens.
func (i *Injector) draw(p *plan, r *http.Request) (d Decision, hit bool) {
	var bits uint64
	if p.Rand != nil {
		bits = p.Rand()
	} else {
		bits = rand.Uint64()
	}
	if d = p.decide(r, bits); d == (Decision{}) {
		return d, false
	}
	if n := i.active.Add(1); p.MaxActive > 0 && n > int64(p.MaxActive) {
		i.leave()
		i.counts.overflows.Add(1)
		return Decision{}, false
	}
	if d.bends() {
		if d.Rate != 0 {
			i.counts.drips.Add(1)
		}
		if d.Cut {
			i.counts.cuts.Add(1)
		}
	}
	return d, true
}

func (i *Injector) leave() { i.active.Add(-1) }

// refusal is an abort as an error of this module.
func (d *Decision) refusal() *mesh.Error {
	if d.Reset {
		return &mesh.Error{
			Op: "fault", Flag: mesh.ConnectionLost, Status: http.StatusServiceUnavailable, Stage: mesh.MaybeProcessed,
			Details: mesh.ResetDetails(mesh.ReasonConnectionTermination), Err: errReset,
		}
	}
	e := &mesh.Error{Op: "fault", Flag: mesh.FaultInjected, Status: d.Status, Details: mesh.DetailsFaultAbort}
	if d.GRPC != 0 {
		e.Header = http.Header{"Grpc-Status": {strconv.Itoa(d.GRPC)}}
	}
	return e
}

// note tells the record of the request what befalls it.
func note(f *flow.Flow, flag mesh.Flag, words string) {
	if f != nil {
		m := f.Tell()
		m.Flags = m.Flags.With(flag)
		m.Faults = append(m.Faults, words)
	}
}

// words describe what happens after a delay.
func (d *Decision) words() string {
	switch {
	case d.Reset:
		return "reset"
	case d.Status != 0 && d.GRPC != 0:
		return "abort with " + strconv.Itoa(d.Status) + " or gRPC status " + strconv.Itoa(d.GRPC)
	case d.Status != 0:
		return "abort with " + strconv.Itoa(d.Status)
	case d.Rate != 0:
		return "answer at " + strconv.FormatInt(d.Rate, 10) + " bytes a second"
	}
	return "answer cut after " + strconv.FormatInt(d.After, 10) + " bytes"
}
