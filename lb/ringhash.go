package lb

import "github.com/sidecarless/mesh/internal/check"

// RingHash places keys on a ring of points: each host has points in proportion
// to its weight, at the hashes of its key with a number, and a request goes to
// the host of the first point at or after its hash. When a host comes or goes,
// only the keys of its own points move.
//
// Points and keys are those of Envoy, so that a key goes to the endpoint to which
// a sidecar sends it. A request without a hash goes to a random point.
type RingHash struct {
	// MinSize is the least number of points, of all hosts together; zero is 1024.
	// More make the shares of keys more even: with n points a host, they are mostly
	// within 100/√n per cent of what the weights say.
	MinSize int
	// MaxSize is the largest number of points; zero is 8388608, which is also the
	// most that it and MinSize can be. A ring with more hosts than points leaves
	// some without traffic.
	MaxSize int
	// BalanceFactor keeps a host from getting more requests at a time than this
	// percentage of its part: with 150, half as many again. The keys that would
	// overload it go to other hosts, each always to the same ones. It is at least
	// 100; zero is no limit. It is Envoy's hash_balance_factor.
	BalanceFactor int
	// Murmur places the points by MurmurHash2, as Envoy's hash function
	// MURMUR_HASH_2 does, instead of xxHash. Hashes of requests stay the same.
	Murmur bool
}

// Envoy's limits on rings.
const (
	defaultRingSize = 1024
	maxRingSize     = 8388608
)

// Validate reports all that is wrong with the settings.
func (a RingHash) Validate() error {
	l := check.List{Prefix: "lb"}
	for _, size := range []struct {
		field string
		n     int
	}{{"MinSize", a.MinSize}, {"MaxSize", a.MaxSize}} {
		if size.n < 0 || size.n > maxRingSize {
			l.Add(size.field, size.n, "must be 0 to %d points", maxRingSize)
		}
	}
	if a = a.withDefaults(); a.MinSize > a.MaxSize {
		l.Add("MinSize", a.MinSize, "must not be above MaxSize, which is %d", a.MaxSize)
	}
	checkBalanceFactor(&l, a.BalanceFactor)
	return l.Err()
}

func (a RingHash) withDefaults() RingHash {
	if a.MinSize == 0 {
		a.MinSize = defaultRingSize
	}
	if a.MaxSize == 0 {
		a.MaxSize = maxRingSize
	}
	return a
}

// Picker makes the ring of these hosts.
func (a RingHash) Picker(hosts []*Host) (Picker, error) {
	return a.Rebuild(nil, hosts, weightShares(hosts))
}

// Rebuild makes the ring of these hosts. The points of hosts that stay are taken
// over from prev.
func (a RingHash) Rebuild(prev Picker, hosts []*Host, shares []float64) (Picker, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	a = a.withDefaults()
	var old *ring
	if p, ok := prev.(*ringPicker); ok {
		old = p.ring
	}
	hash := xxHash
	if a.Murmur {
		hash = murmurHash2
	}
	r := buildRing(old, hashKeys(hosts), ringCounts(shares, a.MinSize, a.MaxSize), hash)
	return &ringPicker{r, owners{r.owners, hosts, newBound(hosts, shares, a.BalanceFactor)}}, nil
}

type ringPicker struct {
	ring *ring
	owners
}

// Pick is the host of the point to which the hash falls. Further picks for an
// attempt go on from there point by point.
func (p *ringPicker) Pick(q Query) *Host {
	i := p.ring.find(q.hash())
	if q.Attempt > 0 {
		i = (i + q.Attempt) % len(p.of)
	}
	return p.pick(i, &q)
}
