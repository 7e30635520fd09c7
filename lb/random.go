package lb

import "math/bits"

// Random gives all hosts the same chance, whatever their weights.
type Random struct{}

// Picker implements [Algorithm].
func (Random) Picker(hosts []*Host) (Picker, error) { return &randomPicker{hosts}, nil }

type randomPicker struct{ hosts []*Host }

// Pick implements [Picker].
func (p *randomPicker) Pick(q Query) *Host { return p.hosts[below(q.Draw, len(p.hosts))] }

// below is a number from 0 to n-1 made of the upper bits of a draw.
func below(draw uint64, n int) int {
	high, _ := bits.Mul64(draw, uint64(n))
	return int(high)
}

// redraw makes another draw of one. It is the finalizer of SplitMix64, by which
// neighbouring numbers become unlike ones.
func redraw(draw uint64) uint64 {
	draw += 0x9e3779b97f4a7c15
	draw = (draw ^ draw>>30) * 0xbf58476d1ce4e5b9
	draw = (draw ^ draw>>27) * 0x94d049bb133111eb
	return draw ^ draw>>31
}
