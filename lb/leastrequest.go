package lb

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// LeastRequest prefers hosts that have few requests under way. Among hosts of
// equal weight it draws some at random and takes the one with the fewest, which
// is nearly as good as looking at all of them and costs the same for ten hosts as
// for ten thousand. Where weights differ it goes round by weight as [RoundRobin]
// does, and divides a host's weight by its requests. Both are as Envoy has them.
type LeastRequest struct {
	// Choices is how many hosts are drawn, with repetition; zero is two.
	Choices int
	// ActiveBias is the power of a host's requests (plus one) by which its weight
	// is divided; zero is 1. It counts where weights differ. Negative is 0: requests
	// do not count.
	ActiveBias float64
}

// Picker implements [Algorithm].
func (a LeastRequest) Picker(hosts []*Host) (Picker, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return a.start(hosts, rand.Uint64(), time.Now().UnixNano()), nil
}

// Validate reports all that is wrong with the settings.
func (a LeastRequest) Validate() error {
	l := check.List{Prefix: "lb"}
	if a.Choices < 0 || a.Choices == 1 {
		l.Add("Choices", a.Choices, "must be at least 2, or zero for 2")
	}
	if math.IsNaN(a.ActiveBias) || math.IsInf(a.ActiveBias, 0) {
		l.Add("ActiveBias", a.ActiveBias, "must be a number")
	}
	return l.Err()
}

// start is a picker whose beginning is up to a draw.
func (a LeastRequest) start(hosts []*Host, draw uint64, now int64) Picker {
	var plain Picker = &twoChoices{hosts}
	if a.Choices > 2 {
		plain = &manyChoices{hosts, a.Choices}
	}
	return scheduled(hosts, plain, a.weight(), draw, now)
}

// weight is a host's weight divided by the power of its requests.
func (a LeastRequest) weight() loadWeight {
	switch bias := a.ActiveBias; {
	case bias < 0:
		return weightOnly
	case bias == 0, bias == 1:
		return func(h *Host, now int64) float64 {
			return h.weightAt(now) / float64(h.Active()+1)
		}
	default:
		return func(h *Host, now int64) float64 {
			return h.weightAt(now) / math.Pow(float64(h.Active()+1), bias)
		}
	}
}

// twoChoices takes the better of two hosts.
type twoChoices struct{ hosts []*Host }

// Pick implements [Picker]. The halves of the draw choose a host each.
func (p *twoChoices) Pick(q Query) *Host {
	n := uint64(len(p.hosts))
	a := p.hosts[(q.Draw>>32)*n>>32]
	b := p.hosts[(q.Draw&math.MaxUint32)*n>>32]
	if b.Active() < a.Active() {
		return b
	}
	return a
}

// manyChoices takes the best of some hosts.
type manyChoices struct {
	hosts   []*Host
	choices int
}

// Pick implements [Picker].
func (p *manyChoices) Pick(q Query) *Host {
	best, draw := p.hosts[below(q.Draw, len(p.hosts))], q.Draw
	for range p.choices - 1 {
		draw = redraw(draw)
		if h := p.hosts[below(draw, len(p.hosts))]; h.Active() < best.Active() {
			best = h
		}
	}
	return best
}
