package spiffe

import (
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// mostPauses is how many pauses the longest one lasts.
const mostPauses = 10

// pauses are how long to wait between attempts to reach the API: one, two, three
// and so on, up to ten times a duration. It is go-spiffe's BackoffStrategy and what
// that makes.
type pauses struct {
	one time.Duration
	n   int
}

// NewBackoff implements workloadapi.BackoffStrategy.
func (p pauses) NewBackoff() workloadapi.Backoff { return &pauses{one: p.one} }

// Reset implements workloadapi.Backoff.
func (p *pauses) Reset() { p.n = 0 }

// Next implements workloadapi.Backoff.
func (p *pauses) Next() time.Duration {
	p.n = min(p.n+1, mostPauses)
	return time.Duration(p.n) * p.one
}
