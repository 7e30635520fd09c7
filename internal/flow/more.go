package flow

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
)

// More is what few requests need of a record.
type More struct {
	Flags   mesh.Flag     // what befell the request outside of its attempts, such as DI
	Details string        // Envoy's response code details, where a layer set them
	Delayed time.Duration // by injected faults
	Faults  []string      // faults drawn, in words
	Mirrors []string      // destinations of copies
	Remote  string        // who sent the request, with port, where that is not the peer; empty if it is

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

	last    atomic.Pointer[Try] // that counts, see [Flow.Last]; nil while it is the First
	further atomic.Int32        // attempts that have begun, beyond the First
	telling sync.Mutex          // who changes last
}

// Won says that t counts of attempts that were made beside each other. Those that
// still run must have lost before: see [Try.Lose].
func (m *More) Won(t *Try) {
	m.telling.Lock()
	defer m.telling.Unlock()
	m.last.Store(t)
}

// began notes that t, which is not the First, has begun.
func (m *More) began(t *Try) {
	m.further.Add(1)
	m.telling.Lock()
	defer m.telling.Unlock()
	if t.state.Load()&lost == 0 {
		m.last.Store(t)
	}
}

// Tell is f's More, made when it is asked for the first time.
func (f *Flow) Tell() *More {
	if f.More == nil {
		f.More = new(More)
	}
	return f.More
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
