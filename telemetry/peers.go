package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/sidecarless/mesh"
)

const (
	// maxPeers is how many workloads are remembered, as in Istio. When there are more
	// a quarter is forgotten.
	maxPeers = 500
	// maxMetadata is how long the metadata of a workload may be.
	maxMetadata = 16 << 10
)

// peers remembers workloads by what they said of themselves, so that each is read
// once. It goes by the whole text and not by the id that comes with it: nobody can
// have another one taken for somebody else. Reading takes no lock.
type peers struct {
	mu    sync.Mutex
	known atomic.Pointer[map[string]*mesh.Workload]
}

// of is the workload that the values of the header tell of, or nil.
func (p *peers) of(values []string) *mesh.Workload {
	if len(values) != 1 || values[0] == "" {
		return nil
	}
	return p.find(values[0], func(value string) *mesh.Workload {
		w, err := decode(value)
		if err != nil || !valid(w) || *w == (mesh.Workload{}) {
			return nil
		}
		return w
	})
}

// valid reports whether all of w can stand in metrics.
func valid(w *mesh.Workload) bool {
	for _, s := range [...]string{
		w.Name, w.Namespace, w.Instance, w.App, w.Version, w.CanonicalService, w.CanonicalRevision, w.Cluster, w.Principal,
	} {
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// find is what read makes of text, made once. It may be nil.
func (p *peers) find(text string, read func(string) *mesh.Workload) *mesh.Workload {
	if len(text) > maxMetadata {
		return nil
	}
	if known := p.known.Load(); known != nil {
		if w, ok := (*known)[text]; ok {
			return w
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := map[string]*mesh.Workload{}
	if known := p.known.Load(); known != nil {
		if w, ok := (*known)[text]; ok {
			return w
		}
		next = maps.Clone(*known)
	}
	if len(next) >= maxPeers {
		drop := maxPeers / 4
		for k := range next { // in random order
			if drop--; drop < 0 {
				break
			}
			delete(next, k)
		}
	}
	w := read(text)
	next[text] = w
	p.known.Store(&next)
	return w
}
