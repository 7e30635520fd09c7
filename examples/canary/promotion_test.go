package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPromotionGoesForwardByStepsAndBackAtOnce(t *testing.T) {
	type seen struct{ answers, failures int }
	for _, c := range []struct {
		name   string
		seen   []seen
		shares []int
		end    state
	}{
		{"all is well", []seen{{20, 0}, {100, 1}, {200, 2}, {400, 4}}, []int{5, 25, 50, 100, 100}, promoted},
		{"the first step fails", []seen{{20, 1}}, []int{5, 0}, steppedBack},
		{"the last step fails", []seen{{20, 0}, {100, 0}, {200, 0}, {400, 5}}, []int{5, 25, 50, 100, 0}, steppedBack},
		{"no answers decide nothing", []seen{{0, 0}, {0, 0}}, []int{5, 5, 5}, promoting},
		{"what was stepped back stays so", []seen{{20, 20}, {20, 0}}, []int{5, 0, 0}, steppedBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := begin()
			shares := []int{p.share()}
			for _, s := range c.seen {
				p.observed(s.answers, s.failures)
				shares = append(shares, p.share())
			}
			require.Equal(t, c.shares, shares)
			require.Equal(t, c.end, p.state)
		})
	}
}
