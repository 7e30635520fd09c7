package main

// steps are the shares, in per cent, through which a release is promoted.
var steps = []int{5, 25, 50, 100}

// maxFailed is the share of the canary's answers that may be failures.
const maxFailed = 0.01

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
	state state
	step  int
}

func begin() promotion { return promotion{state: promoting} }

// share is the per cent of requests that the canary should have.
func (p promotion) share() int {
	if p.state == steppedBack {
		return 0
	}
	return steps[p.step]
}

// observed takes what the canary did with its share, and moves on: one step
// forward, or all the way back. Without an answer nothing is known yet.
func (p *promotion) observed(answers, failures int) {
	switch {
	case p.state != promoting || answers == 0:
	case float64(failures) > maxFailed*float64(answers):
		p.state = steppedBack
	case p.step == len(steps)-1:
		p.state = promoted
	default:
		p.step++
	}
}
