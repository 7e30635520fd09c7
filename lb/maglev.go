package lb

import (
	"cmp"
	"math"
	"math/big"

	"github.com/sidecarless/mesh/internal/check"
)

// Maglev places keys by a table of slots, which the hosts share in proportion to
// their weights as evenly as can be. A pick is one look into the table, whatever
// the number of hosts; when a host comes or goes, a few keys of others move as
// well.
//
// Table and keys are those of Envoy, so that a key goes to the endpoint to which
// a sidecar sends it. A request without a hash goes to a random slot.
type Maglev struct {
	// TableSize is the number of slots, a prime up to 5000011; zero is 65537. It
	// should be 100 times the number of hosts or more.
	TableSize int
	// BalanceFactor is the same as for a [RingHash].
	BalanceFactor int
}

// Envoy's limits on Maglev's tables.
const (
	defaultTableSize = 65537
	maxTableSize     = 5000011
)

// Validate reports all that is wrong with the settings.
func (a Maglev) Validate() error {
	l := check.List{Prefix: "lb"}
	switch n := a.TableSize; {
	case n < 0 || n > maxTableSize:
		l.Add("TableSize", n, "must be a prime up to %d", maxTableSize)
	case n != 0 && !big.NewInt(int64(n)).ProbablyPrime(0):
		l.Add("TableSize", n, "must be a prime")
	}
	checkBalanceFactor(&l, a.BalanceFactor)
	return l.Err()
}

func checkBalanceFactor(l *check.List, factor int) {
	if factor != 0 && (factor < 100 || factor > math.MaxUint32) {
		l.Add("BalanceFactor", factor, "must be at least 100 per cent, or 0 for no bound")
	}
}

// Picker makes the table of these hosts.
func (a Maglev) Picker(hosts []*Host) (Picker, error) {
	return a.Rebuild(nil, hosts, weightShares(hosts))
}

// Rebuild makes the table of these hosts. There is nothing in prev to be used
// again.
func (a Maglev) Rebuild(_ Picker, hosts []*Host, shares []float64) (Picker, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	table := buildMaglev(hashKeys(hosts), shares, cmp.Or(a.TableSize, defaultTableSize))
	return &maglevPicker{owners{table, hosts, newBound(hosts, shares, a.BalanceFactor)}}, nil
}

type maglevPicker struct{ owners }

// Pick is the host of the slot to which the hash falls. Further picks for an
// attempt change the hash before.
func (p *maglevPicker) Pick(q Query) *Host {
	hash := q.hash()
	if q.Attempt > 0 {
		hash ^= -uint64(q.Attempt)
	}
	return p.pick(int(hash%uint64(len(p.of))), &q)
}
