package main

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPromotionGoesForwardByStepsAndBackAtOnce(t *testing.T) {
	type seen struct{ stable, canary tally }
	for _, c := range []struct {
		name   string
		seen   []seen
		shares []int
		end    state
	}{
		{"all is well", []seen{{tally{380, 4}, tally{20, 0}}, {tally{300, 3}, tally{100, 2}}, {tally{200, 1}, tally{200, 3}}}, []int{5, 25, 50, 100}, promoted},
		{"the first step fails", []seen{{tally{380, 4}, tally{20, 10}}}, []int{5, 0}, steppedBack},
		{"the last step fails", []seen{{tally{380, 4}, tally{20, 0}}, {tally{300, 3}, tally{100, 1}}, {tally{200, 1}, tally{200, 30}}}, []int{5, 25, 50, 0}, steppedBack},
		{"both fail", []seen{{tally{380, 380}, tally{20, 20}}, {tally{300, 300}, tally{100, 100}}}, []int{5, 25, 50}, promoting},
		{"no answers decide nothing", []seen{{tally{400, 4}, tally{}}, {tally{}, tally{10, 10}}}, []int{5, 5, 5}, promoting},
		{"what was stepped back stays so", []seen{{tally{380, 0}, tally{20, 20}}, {tally{400, 0}, tally{20, 0}}}, []int{5, 0, 0}, steppedBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := begin()
			shares := []int{p.share()}
			for _, s := range c.seen {
				p.observed(s.stable, s.canary)
				shares = append(shares, p.share())
			}
			require.Equal(t, c.shares, shares)
			require.Equal(t, c.end, p.state)
		})
	}
}

// promote simulates a promotion with so many requests at each step.
func promote(random *rand.Rand, requests int, stableFails, canaryFails float64) state {
	p := begin()
	for p.state == promoting {
		var stable, canary tally
		for range requests {
			seen, fails := &stable, stableFails
			if random.IntN(100) < p.share() {
				seen, fails = &canary, canaryFails
			}
			seen.answers++
			if random.Float64() < fails {
				seen.failures++
			}
		}
		p.observed(stable, canary)
	}
	return p.state
}

// Of releases that fail 5 % of their requests, where the stable version fails 1 %,
// most go back within 2,000 requests; of those that are as good hardly any do.
func TestG5ABadReleaseGoesBackAndAGoodOneDoesNot(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	back := func(stable, canary float64) (n int) {
		for range 1000 {
			if promote(random, 2000/len(steps), stable, canary) == steppedBack {
				n++
			}
		}
		return n
	}
	require.LessOrEqual(t, back(0.01, 0.01), 1)
	require.LessOrEqual(t, back(0.1, 0.1), 1)
	require.GreaterOrEqual(t, back(0.01, 0.05), 800)
	require.Equal(t, 1000, back(0.01, 0.2))
}
