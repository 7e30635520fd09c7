package breaker

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/sidecarless/mesh"
)

// A State is that of a circuit.
type State uint8

const (
	// Closed lets everything through.
	Closed State = iota
	// HalfOpen lets a few requests through to see whether they succeed.
	HalfOpen
	// Open refuses everything.
	Open
)

// String is the state's name.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "unknown"
}

// What gobreaker is told of a request that did not succeed.
var (
	errFailed  = errors.New("failed")
	errNeutral = errors.New("neutral")
)

// A circuit is one gobreaker and what it lacks: while it is closed it is not
// asked, so that a request costs an atomic load and a failure one more write; it is
// told of the failure that opens it. Consecutive failures do not expire; ratios are
// those of a rolling window; a probe is a lease that ends; results of an earlier
// state count nowhere.
type circuit struct {
	owner *Breaker
	key   string

	// word is what requests need to know of the state: whether they are barred, how
	// many failures there were since the last success, and the generation, which
	// changes with each change of state.
	word      atomic.Uint64
	successes atomic.Uint64
	failures  atomic.Uint64
	refused   atomic.Uint64

	mu     sync.Mutex // guards all below; never held while a function of the user runs
	trip   Trip
	gb     *gobreaker.TwoStepCircuitBreaker[struct{}]
	window *window // nil unless ratios are looked at
	probes []*probe
	until  time.Time // when the state Open ends
	cause  string    // why gobreaker is about to change its state

	replaying bool // a new gobreaker is put into the state of the last one
}

// The parts of a circuit's word, from below.
const (
	barred = 1       // open or half open
	inARow = 1 << 1  // one failure since the last success
	epoch  = 1 << 33 // one generation
)

// rowOf is how many failures there were since the last success.
func rowOf(word uint64) uint32 { return uint32(word / inARow) }

// A ticket is what a request was let through with.
type ticket struct {
	generation uint64
	probe      *probe
}

func newCircuit(b *Breaker, key string, trip Trip) *circuit {
	c := &circuit{owner: b, key: key}
	c.build(trip)
	return c
}

// build makes the gobreaker, closed. It opens with the first failure of which it
// is told, and that is the one that is due.
func (c *circuit) build(trip Trip) {
	c.trip = trip
	c.gb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          c.owner.name,
		MaxRequests:   trip.Probes,
		Timeout:       trip.Open,
		ReadyToTrip:   func(gobreaker.Counts) bool { return true },
		OnStateChange: c.changed,
		IsExcluded:    func(err error) bool { return err == errNeutral },
	})
	c.window = nil
	if trip.windowed() {
		c.window = newWindow(trip.Window, time.Now())
	}
}

// due is why a closed circuit has to open after a request that failed or was slow,
// the last of a row of failures; empty if it has not to.
func (c *circuit) due(failed, slow bool, row uint32) string {
	t := &c.trip
	switch {
	case failed && t.Consecutive > 0 && row >= t.Consecutive:
		if row == 1 {
			return "a failure"
		}
		return fmt.Sprintf("%d failures in a row", row)
	case failed && t.Ratio > 0 && c.reached(c.window.sum.failed, t.Ratio):
		return fmt.Sprintf("%d of %d requests failed in %v", c.window.sum.failed, c.window.sum.total, t.Window)
	case slow && c.reached(c.window.sum.slow, t.SlowRatio):
		return fmt.Sprintf("%d of %d requests took longer than %v in %v", c.window.sum.slow, c.window.sum.total, t.SlowerThan, t.Window)
	}
	return ""
}

// reached reports whether n of the window's requests are at least share of them.
func (c *circuit) reached(n uint32, share mesh.Fraction) bool {
	sum := c.window.sum
	return sum.total >= c.trip.MinRequests && uint64(n)*uint64(mesh.Always) >= uint64(share)*uint64(sum.total)
}

// changed is called by gobreaker under c.mu.
func (c *circuit) changed(_ string, from, to gobreaker.State) {
	if c.replaying {
		return
	}
	now := time.Now()
	generation := c.word.Load()/epoch + 1
	switch to {
	case gobreaker.StateClosed:
		c.word.Store(generation * epoch)
		if c.cause = fmt.Sprintf("%d probes succeeded", c.trip.Probes); c.trip.Probes == 1 {
			c.cause = "a probe succeeded"
		}
		if c.window != nil {
			c.window = newWindow(c.trip.Window, now)
		}
	case gobreaker.StateHalfOpen:
		c.cause = fmt.Sprintf("it was open for %v", c.trip.Open)
		c.word.Store(generation*epoch | barred)
	case gobreaker.StateOpen:
		c.until = now.Add(c.trip.Open)
		c.word.Store(generation*epoch | barred)
	}
	c.probes = nil
	c.owner.events.add(Change{
		Time: now, Name: c.owner.name, Key: c.key, From: fromGobreaker(from), To: fromGobreaker(to), Cause: c.cause,
	})
	c.cause = ""
}

func fromGobreaker(s gobreaker.State) State {
	switch s {
	case gobreaker.StateHalfOpen:
		return HalfOpen
	case gobreaker.StateOpen:
		return Open
	}
	return Closed
}

// admit lets a request through or says for how long it is no use to try again.
func (c *circuit) admit() (t ticket, wait time.Duration, ok bool) {
	if w := c.word.Load(); w&barred == 0 {
		return ticket{generation: w / epoch}, 0, true
	}
	c.mu.Lock()
	defer c.owner.events.deliver() // after the lock has been given back
	defer c.mu.Unlock()
	now := time.Now()
	c.endLeases(now)
	done, err := c.gb.Allow()
	if err != nil {
		c.refused.Add(1)
		return ticket{}, max(c.until.Sub(now), 0), false
	}
	w := c.word.Load()
	t.generation = w / epoch
	if w&barred != 0 {
		t.probe = &probe{done: done, since: now}
		c.probes = append(c.probes, t.probe)
	}
	return t, 0, true
}

// settle counts the end of a request, if circuits are still kept. latency is looked
// at only where slow requests matter.
func (c *circuit) settle(t ticket, o mesh.Outcome) {
	trip := c.owner.trip.Load()
	neutral := trip == nil || o.Kind == mesh.Neutral || o.Kind == mesh.Local
	if t.probe != nil {
		c.settleProbe(t.probe, trip, o, neutral)
		return
	}
	if neutral {
		return
	}
	failed := trip.Failure(o)
	row, ok := c.count(t, failed)
	if ok && (failed && trip.Consecutive > 0 && row >= trip.Consecutive || trip.windowed()) {
		c.look(t, o, failed, row)
	}
}

// count counts the end of a request that is no probe, unless it belongs to an
// earlier state. It returns how many failures there are in a row.
func (c *circuit) count(t ticket, failed bool) (row uint32, ok bool) {
	for {
		w := c.word.Load()
		if w/epoch != t.generation {
			return 0, false
		}
		row := rowOf(w)
		next := w - uint64(row)*inARow
		if failed {
			row = min(row, math.MaxUint32-1) + 1
			next += uint64(row) * inARow
		}
		if next != w && !c.word.CompareAndSwap(w, next) {
			continue
		}
		if failed {
			c.failures.Add(1)
		} else {
			c.successes.Add(1)
		}
		return row, true
	}
}

// look decides whether a request that has been counted opens the circuit.
func (c *circuit) look(t ticket, o mesh.Outcome, failed bool, row uint32) {
	c.mu.Lock()
	defer c.owner.events.deliver()
	defer c.mu.Unlock()
	if c.word.Load()/epoch != t.generation {
		return
	}
	slow := false
	if c.window != nil {
		slow = c.trip.SlowerThan > 0 && o.Latency > c.trip.SlowerThan
		c.window.add(time.Now(), failed, slow)
	}
	if c.cause = c.due(failed, slow, row); c.cause != "" {
		c.tell(errFailed)
	}
}

// tell reports a result to the closed gobreaker.
func (c *circuit) tell(err error) {
	if done, refused := c.gb.Allow(); refused == nil {
		done(err)
	}
}

// state is the present state. Time alone opens no circuit: one whose time is over
// is half open when the next request comes.
func (c *circuit) state() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.word.Load()&barred == 0:
		return Closed
	case time.Now().Before(c.until):
		return Open
	}
	return HalfOpen
}

// update takes over other settings. An open circuit stays open, from now for the
// time that they say; failures in a row keep counting.
func (c *circuit) update(trip Trip) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trip.Open == trip.Open && c.trip.Probes == trip.Probes && c.window == nil && !trip.windowed() {
		c.trip = trip // gobreaker does not know of the rest
		return
	}
	barring := c.word.Load()&barred != 0
	c.replaying = true
	defer func() { c.replaying = false }()
	c.build(trip)
	if barring {
		c.tell(errFailed)
		c.until = time.Now().Add(trip.Open)
		c.word.Store((c.word.Load()/epoch+1)*epoch | barred)
		c.probes = nil
	}
}
