package journal

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sidecarless/mesh/access"
)

// A Journal keeps the last decisions, and besides them the last that failed, which
// would otherwise be gone before anybody has looked.
type Journal struct {
	seq, failures atomic.Uint64
	all, failed   ring
}

// Reads are names of request headers, in canonical form, and of query parameters by
// which rules choose: only these are kept with their values.
type Reads struct{ Headers, Queries []string }

// A ring is a fixed number of places, each with a lock of its own.
type ring []place

type place struct {
	mu sync.Mutex
	d  Decision
}

// New makes a journal of so many decisions, and as many that failed.
func New(size int) *Journal {
	return &Journal{all: make(ring, size), failed: make(ring, size)}
}

// Add copies a record.
func (j *Journal) Add(r *access.Record, bad bool, reads *Reads) {
	seq := j.seq.Add(1)
	j.all.put(seq, seq, r, reads)
	if bad {
		j.failed.put(j.failures.Add(1), seq, r, reads)
	}
}

// put takes the place that is n's turn, unless a later one was faster.
func (l ring) put(n, seq uint64, r *access.Record, reads *Reads) {
	p := &l[n%uint64(len(l))]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.d.Seq < seq {
		p.d.take(seq, r, reads)
	}
}

// A found decision, and where it lies.
type found struct {
	seq uint64
	at  *place
}

// find adds those that pass.
func (l ring) find(all []found, pass func(*Decision) bool) []found {
	for i := range l {
		p := &l[i]
		p.mu.Lock()
		if p.d.Seq > 0 && pass(&p.d) {
			all = append(all, found{p.d.Seq, p})
		}
		p.mu.Unlock()
	}
	return all
}

// Last shows the decisions that pass, the newest first, at most so many. What is
// shown must not be kept.
func (j *Journal) Last(most int, pass func(*Decision) bool, show func(*Decision)) {
	if j == nil {
		return
	}
	all := j.failed.find(j.all.find(nil, pass), pass)
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(b.seq, a.seq) })
	all = slices.CompactFunc(all, func(a, b found) bool { return a.seq == b.seq })
	for _, f := range all[:min(len(all), most)] {
		f.at.mu.Lock()
		if f.at.d.Seq == f.seq { // nothing has taken its place meanwhile
			show(&f.at.d)
		}
		f.at.mu.Unlock()
	}
}
