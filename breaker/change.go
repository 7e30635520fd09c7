package breaker

import (
	"iter"
	"slices"
	"sync"
	"time"
)

// A Change is a circuit that has changed its state.
type Change struct {
	Time     time.Time
	Name     string // of the breaker
	Key      string // of the circuit, where there are several
	From, To State
	Cause    string // why, with the numbers of that moment
}

// journalSize is how many changes are remembered.
const journalSize = 256

// events remembers changes and tells them in their order, one after the other,
// while nothing is locked.
type events struct {
	tell func(Change)

	mu      sync.Mutex // guards all below
	journal []Change
	untold  []Change
	telling bool
	trips   uint64
}

func (e *events) add(c Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.To == Open {
		e.trips++
	}
	if len(e.journal) == journalSize {
		e.journal = slices.Delete(e.journal, 0, 1)
	}
	e.journal = append(e.journal, c)
	if e.tell != nil {
		e.untold = append(e.untold, c)
	}
}

// deliver tells what has not been told. While one goroutine tells, the others
// leave it to that one; so a function that is told can use the breaker.
func (e *events) deliver() {
	for {
		c, ok := e.next()
		if !ok {
			return
		}
		e.tellOne(c)
	}
}

func (e *events) next() (Change, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.telling || len(e.untold) == 0 {
		return Change{}, false
	}
	c := e.untold[0]
	e.untold = e.untold[1:]
	e.telling = true
	return c, true
}

func (e *events) tellOne(c Change) {
	defer func() {
		e.mu.Lock()
		e.telling = false
		e.mu.Unlock()
	}()
	e.tell(c)
}

// all yields the changes that are remembered, the oldest first.
func (e *events) all() iter.Seq[Change] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Values(slices.Clone(e.journal))
}
