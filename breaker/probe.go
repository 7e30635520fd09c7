package breaker

import (
	"fmt"
	"slices"
	"time"

	"github.com/sidecarless/mesh"
)

// A probe is a request that tries a half-open circuit. Its place is leased: a
// server that hangs must not keep it for ever.
type probe struct {
	done  func(error)
	since time.Time
	over  bool
}

// endLeases settles probes that have had no result for too long: as failures, or,
// where the time for which that would have opened the circuit has passed as well,
// not at all.
func (c *circuit) endLeases(now time.Time) {
	open := c.trip.Open
	for _, p := range c.probes {
		if out := now.Sub(p.since); out >= open && out < 2*open {
			p.over = true
			c.cause = fmt.Sprintf("a probe had no result after %v", open)
			p.done(errFailed)
			return // the others belong to an earlier state now
		}
	}
	c.probes = slices.DeleteFunc(c.probes, func(p *probe) bool {
		if now.Sub(p.since) < open {
			return false
		}
		p.over = true
		p.done(errNeutral)
		return true
	})
}

func (c *circuit) settleProbe(p *probe, trip *Trip, o mesh.Outcome, neutral bool) {
	verdict := error(nil)
	switch {
	case neutral:
		verdict = errNeutral
	case trip.Failure(o):
		c.failures.Add(1)
		verdict = errFailed
	case trip.SlowerThan > 0 && o.Latency > trip.SlowerThan:
		c.successes.Add(1)
		verdict = errFailed
	default:
		c.successes.Add(1)
	}
	c.mu.Lock()
	defer c.owner.events.deliver()
	defer c.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	if verdict == errFailed {
		c.cause = "a probe failed"
	}
	p.done(verdict)
	c.cause = ""
	c.probes = slices.DeleteFunc(c.probes, func(q *probe) bool { return q == p })
}
