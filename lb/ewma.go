package lb

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// PeakEWMA prefers hosts that answer fast. It draws two hosts and takes the one
// with the lower cost: its average latency times its requests under way (this one
// included), divided by its weight. The average is an exponentially weighted one
// that follows a slower answer at once and a faster one in time, so a host that
// gets slow is left within one answer, and one that has been left alone is tried
// again by and by. It is the algorithm of Finagle and Linkerd.
type PeakEWMA struct {
	// Decay is the time in which what was measured loses about two thirds of its
	// weight; zero is 10 s.
	Decay time.Duration
	// Seed is the latency that is assumed of a host before it has answered; zero
	// is 30 ms.
	Seed time.Duration
}

// Picker implements [Algorithm].
func (a PeakEWMA) Picker(hosts []*Host) (Picker, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return &fastest{hosts, a.decay(), a.seed()}, nil
}

// Validate reports all that is wrong with the settings.
func (a PeakEWMA) Validate() error {
	l := check.List{Prefix: "lb"}
	l.NotNegative("Decay", a.Decay)
	l.NotNegative("Seed", a.Seed)
	return l.Err()
}

func (a PeakEWMA) decay() float64 {
	if a.Decay == 0 {
		return float64(10 * time.Second)
	}
	return float64(a.Decay)
}

func (a PeakEWMA) seed() float64 {
	if a.Seed == 0 {
		return float64(30 * time.Millisecond)
	}
	return float64(a.Seed)
}

// Observe implements [Observer]. A failure can be fast, so it does not make its
// host look better.
func (a PeakEWMA) Observe(h *Host, o mesh.Outcome) {
	if o.Latency > 0 && (o.Kind == mesh.Success || o.Kind == mesh.Failure) {
		least := 0.0
		if o.Kind == mesh.Failure {
			least = a.seed()
		}
		h.measuring.Lock()
		defer h.measuring.Unlock()
		h.latency.observe(float64(o.Latency), time.Now().UnixNano(), a.decay(), least)
	}
}

// fastest takes the one of two hosts with the lower cost.
type fastest struct {
	hosts       []*Host
	decay, seed float64
}

// Pick implements [Picker]. The halves of the draw choose a host each.
func (p *fastest) Pick(q Query) *Host {
	n := uint64(len(p.hosts))
	a := p.hosts[(q.Draw>>32)*n>>32]
	b := p.hosts[(q.Draw&math.MaxUint32)*n>>32]
	if a != b && p.cost(b, q.Now) < p.cost(a, q.Now) {
		return b
	}
	return a
}

func (p *fastest) cost(h *Host, now int64) float64 {
	latency, known := h.latency.at(now, p.decay)
	if !known {
		latency = p.seed
	}
	return latency * float64(h.Active()+1) / h.weightAt(now)
}

// An estimate is an average of latencies that follows peaks at once. Its zero
// value has seen none. One goroutine at a time may change it; a reader may see a
// value with the time of the one before, which is close enough.
type estimate struct {
	value atomic.Uint64 // a float64
	when  atomic.Int64
}

// observe takes in a latency. With least above zero it does not lower the
// average, nor is the first one less than that.
func (e *estimate) observe(latency float64, now int64, decay, least float64) {
	have := math.Float64frombits(e.value.Load())
	switch {
	case have == 0:
		latency = max(latency, least)
	case latency >= have:
	case least > 0:
		latency = have
	default:
		keep := math.Exp(-float64(max(now-e.when.Load(), 0)) / decay)
		latency = have*keep + latency*(1-keep)
	}
	e.value.Store(math.Float64bits(latency))
	e.when.Store(now)
}

// at is the average at a time; it falls while nothing is observed.
func (e *estimate) at(now int64, decay float64) (latency float64, known bool) {
	latency = math.Float64frombits(e.value.Load())
	if latency == 0 {
		return 0, false
	}
	return latency * math.Exp(-float64(max(now-e.when.Load(), 0))/decay), true
}
