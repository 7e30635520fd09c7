package lb

import "sync"

// An edf is a queue by earliest deadline: an entry of weight w comes up w times
// as often as one of weight 1, and its turns are spread out. The schedule is
// Envoy's to the last pick, which is neither that of nginx (smooth weighted round
// robin) nor random: weights 5, 1, 1 give five turns in a row to the first.
type edf struct {
	mu    sync.Mutex
	heap  []turn
	now   float64
	order uint64
}

// A turn is when an entry comes up next. Of equal deadlines the one that was set
// first comes first.
type turn struct {
	deadline float64
	order    uint64
	index    int
}

func (t turn) before(u turn) bool {
	return t.deadline < u.deadline || t.deadline == u.deadline && t.order < u.order
}

// startPicks bounds the picks after which a new schedule starts.
const startPicks = 429_496_729

// newEDF is a schedule for entries of these weights, all above zero, in the
// state in which it would be after a random number of picks, so that many clients
// that start at once do not all begin with the same host.
func newEDF(weights []float64, draw uint64) *edf {
	return newEDFAt(weights, draw>>32%startPicks)
}

// newEDFAt is [newEDF] after so many picks. Nearly all of them are made at once:
// after P picks an entry has had its share of P, rounded, and what is missing is
// picked one by one.
func newEDFAt(weights []float64, picks uint64) *edf {
	const epsilon = 1e-13 // Envoy's, so that its ties break alike
	e := &edf{heap: make([]turn, len(weights)), order: uint64(len(weights))}
	sum := 0.0
	for _, w := range weights {
		sum += w + epsilon
	}
	made := uint64(0)
	each := float64(picks) / sum // turns per weight
	for i, w := range weights {
		w += epsilon
		had := float64(uint64(w * float64(picks) / sum))
		if had > 0 && had/w >= each {
			had--
		}
		made += uint64(had)
		e.now = max(e.now, had/w)
		e.heap[i] = turn{deadline: (had + 1) / w, order: uint64(i), index: i}
	}
	for i := len(e.heap)/2 - 1; i >= 0; i-- {
		e.down(i)
	}
	for ; made < picks; made++ {
		e.requeue(weights[e.first()])
	}
	return e
}

// first is the entry whose turn it is. The caller holds mu, where several
// goroutines use e, until it has called requeue.
func (e *edf) first() int {
	e.now = e.heap[0].deadline
	return e.heap[0].index
}

// requeue gives the first entry its next turn by the weight that it has now.
func (e *edf) requeue(weight float64) {
	e.heap[0].deadline = e.now + 1/weight
	e.heap[0].order = e.order
	e.order++
	e.down(0)
}

// down moves entry i to its place below.
func (e *edf) down(i int) {
	moved := e.heap[i]
	for {
		child := 2*i + 1
		if child >= len(e.heap) {
			break
		}
		if right := child + 1; right < len(e.heap) && e.heap[right].before(e.heap[child]) {
			child = right
		}
		if !e.heap[child].before(moved) {
			break
		}
		e.heap[i] = e.heap[child]
		i = child
	}
	e.heap[i] = moved
}
