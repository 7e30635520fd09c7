package breaker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// A machine is the obvious breaker: it remembers every result and looks through
// all of them.
type machine struct {
	trip    Trip
	state   State
	era     int // changes with each change of state
	until   time.Time
	results []result // since the circuit was closed
	probes  []*request
	row     int // successful probes in a row
	used    int // places of the half-open circuit
	begun   time.Time
}

type result struct {
	at           time.Time
	failed, slow bool
}

type request struct {
	permit Permit // of the real one
	era    int
	probe  bool
	over   bool
	since  time.Time
}

func (m *machine) become(s State, now time.Time) {
	m.state, m.until, m.results, m.probes, m.row, m.used = s, now.Add(m.trip.Open), nil, nil, 0, 0
	m.era++
	if s == Closed {
		m.begun = now
	}
}

func (m *machine) acquire(now time.Time) (*request, bool) {
	if m.state == HalfOpen {
		for _, p := range m.probes {
			if out := now.Sub(p.since); !p.over && out >= m.trip.Open && out < 2*m.trip.Open {
				m.become(Open, now)
				break
			}
		}
		for _, p := range m.probes {
			if !p.over && now.Sub(p.since) >= m.trip.Open {
				p.over = true
				m.used--
			}
		}
	}
	if m.state == Open && now.After(m.until) {
		m.become(HalfOpen, now)
	}
	r := &request{era: m.era, since: now}
	switch {
	case m.state == Open, m.state == HalfOpen && m.used == int(m.trip.Probes):
		return nil, false
	case m.state == HalfOpen:
		r.probe = true
		m.used++
		m.probes = append(m.probes, r)
	}
	return r, true
}

func (m *machine) done(r *request, now time.Time, o mesh.Outcome) {
	if r.era != m.era || r.over {
		return
	}
	slow := m.trip.SlowerThan > 0 && o.Latency > m.trip.SlowerThan
	failed := o.Kind == mesh.Failure
	neutral := o.Kind == mesh.Neutral || o.Kind == mesh.Local
	switch {
	case r.probe && neutral:
		r.over = true
		m.used--
	case r.probe && (failed || slow):
		m.become(Open, now)
	case r.probe:
		r.over = true
		if m.row++; m.row == int(m.trip.Probes) {
			m.become(Closed, now)
		}
	case !neutral:
		m.results = append(m.results, result{now, failed, slow})
		if m.trips(now, failed, slow) {
			m.become(Open, now)
		}
	}
}

func (m *machine) trips(now time.Time, failed, slow bool) bool {
	inARow := 0
	for i := len(m.results) - 1; i >= 0 && m.results[i].failed; i-- {
		inARow++
	}
	if m.trip.Consecutive > 0 && failed && inARow >= int(m.trip.Consecutive) {
		return true
	}
	if !m.trip.windowed() {
		return false
	}
	// The window holds the present part, as far as it has gone, and the nine before.
	part := m.trip.Window / windowParts
	var total, fails, slows uint64
	for _, r := range m.results {
		if now.Sub(m.begun)/part-r.at.Sub(m.begun)/part < windowParts {
			total++
			fails += count(r.failed)
			slows += count(r.slow)
		}
	}
	if total < uint64(m.trip.MinRequests) {
		return false
	}
	reached := func(n uint64, share mesh.Fraction) bool {
		return share > 0 && n*uint64(mesh.Always) >= uint64(share)*total
	}
	return failed && reached(fails, m.trip.Ratio) || slow && reached(slows, m.trip.SlowRatio)
}

func count(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func TestACircuitBehavesLikeTheObviousMachine(t *testing.T) {
	trips := map[string]Trip{
		"consecutive":    {Consecutive: 3, Open: time.Second},
		"several probes": {Consecutive: 2, Open: time.Second, Probes: 3},
		"ratio":          {Ratio: mesh.Percent(50), MinRequests: 5, Window: 2 * time.Second, Open: time.Second},
		"slow":           {SlowRatio: mesh.Percent(30), SlowerThan: 100 * time.Millisecond, MinRequests: 5, Window: 2 * time.Second, Open: time.Second},
		"all":            {Consecutive: 4, Ratio: mesh.Percent(60), SlowRatio: mesh.Percent(60), SlowerThan: 100 * time.Millisecond, MinRequests: 4, Window: time.Second, Open: 2 * time.Second, Probes: 2},
	}
	for name, trip := range trips {
		for seed := range uint64(40) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { compare(t, trip, rand.New(rand.NewPCG(seed, 1))) })
			})
		}
	}
}

func compare(t *testing.T, trip Trip, draw *rand.Rand) {
	changes := 0
	b, err := New(Config{Trip: trip, Changed: func(c Change) { changes++; require.NotEmpty(t, c.Cause) }})
	require.NoError(t, err)
	m := &machine{trip: trip.withDefaults(), begun: time.Now()}
	var open []*request
	bad := 0.5
	for step := range 400 {
		if step%50 == 0 {
			bad = draw.Float64()
		}
		now := time.Now()
		switch draw.IntN(3) {
		case 0:
			p, err := b.Acquire(context.Background())
			r, ok := m.acquire(now)
			require.Equal(t, ok, err == nil, "step %d: %s, the machine is %s", step, b.Stats().State, m.state)
			if ok {
				r.permit = p
				open = append(open, r)
			} else {
				require.Equal(t, mesh.Overflow, mesh.FlagOf(err))
			}
		case 1:
			if len(open) == 0 {
				continue
			}
			i := draw.IntN(len(open))
			r := open[i]
			open = append(open[:i], open[i+1:]...)
			o := mesh.Outcome{Status: 200, Latency: time.Duration(draw.IntN(200)+1) * time.Millisecond}
			switch f := draw.Float64(); {
			case f < 0.1:
				o.Kind = mesh.Neutral
			case f < 0.1+0.9*bad:
				o.Kind = mesh.Failure
			}
			r.permit.Done(o)
			m.done(r, now, o)
		case 2:
			time.Sleep(time.Duration(draw.IntN(500)) * time.Millisecond)
			continue
		}
		want := m.state
		if want == Open && !time.Now().Before(m.until) {
			want = HalfOpen
		}
		require.Equal(t, want, b.Stats().State, "step %d", step)
	}
	require.Equal(t, m.era, changes)
}
