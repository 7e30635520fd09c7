package main

import "math"

// steps are the shares, in per cent, through which a release is promoted, before
// everybody has it.
var steps = []int{5, 25, 50}

// What is told apart: a release that fails worse times as often as the stable
// version. One that is as good is taken back in less than one of odds promotions.
const (
	worse = 3.0
	odds  = 300.0
)

// A state is that of a promotion.
type state string

const (
	promoting   state = "promoting"
	promoted    state = "promoted"     // everybody has the new version
	steppedBack state = "stepped back" // nobody has it
)

// A promotion is a state machine that knows neither clocks nor servers: it is told
// what was seen at a step, and tells the share that comes next.
type promotion struct {
	state    state
	step     int
	evidence float64 // against the release: the logarithm of a likelihood ratio
}

// A tally is what one version did.
type tally struct{ answers, failures int }

func begin() promotion { return promotion{state: promoting} }

// share is the per cent of requests that the canary should have.
func (p promotion) share() int {
	switch p.state {
	case promoted:
		return 100
	case steppedBack:
		return 0
	}
	return steps[p.step]
}

// observed takes what both versions did with their shares, and moves on: one step
// forward, or all the way back. Without answers of both nothing is known yet.
//
// It is Wald's sequential test of whose the failures are. Of versions that are
// equally good the canary has its share of the failures, whatever their number, and
// so an outage of what both depend on takes nothing back.
func (p *promotion) observed(stable, canary tally) {
	if p.state != promoting || stable.answers == 0 || canary.answers == 0 {
		return
	}
	share := float64(canary.answers) / float64(stable.answers+canary.answers)
	ofWorse := worse * share / (worse*share + 1 - share)
	p.evidence += float64(canary.failures)*math.Log(ofWorse/share) + float64(stable.failures)*math.Log((1-ofWorse)/(1-share))
	switch {
	case p.evidence > math.Log(odds):
		p.state = steppedBack
	case p.step == len(steps)-1:
		p.state = promoted
	default:
		p.step++
	}
}
