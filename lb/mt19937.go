package lb

// A twister is the Mersenne Twister mt19937 of C++'s standard library. Bounded
// load draws from it which endpoint takes a key over, so that every caller, and
// Envoy, comes to the same one.
type twister struct {
	state [624]uint32
	next  int
}

func (t *twister) seed(s uint32) {
	t.state[0] = s
	for i := 1; i < len(t.state); i++ {
		s = 1812433253*(s^s>>30) + uint32(i)
		t.state[i] = s
	}
	t.next = len(t.state)
}

func (t *twister) draw() uint32 {
	if t.next == len(t.state) {
		t.twist()
	}
	y := t.state[t.next]
	t.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (t *twister) twist() {
	const n, m = len(t.state), 397
	for i := range n {
		y := t.state[i]&0x80000000 | t.state[(i+1)%n]&0x7fffffff
		x := t.state[(i+m)%n] ^ y>>1
		if y&1 != 0 {
			x ^= 0x9908b0df
		}
		t.state[i] = x
	}
	t.next = 0
}

// below draws a number below k, each equally likely.
func (t *twister) below(k uint32) uint32 {
	width := (1 << 32) / uint64(k)
	for {
		if x := uint64(t.draw()) / width; x < uint64(k) {
			return uint32(x)
		}
	}
}
