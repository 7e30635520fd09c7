package split

import (
	"math/rand/v2"
	"net/http"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/match"
)

// Transport sends each request through one branch of s. With a key the split is
// sticky (see [Splitter.PickKey], with no name of the split): requests of one key
// stay with one branch. Without a key, and for requests that have none, the
// branch is random. [Sticky.Transport] has more ways to stick.
func Transport(s *Splitter[http.RoundTripper], sticky match.Key) http.RoundTripper {
	return &transport{s, sticky}
}

// Handler serves each request by one branch of s, as [Transport] does for
// clients.
func Handler(s *Splitter[http.Handler], sticky match.Key) http.Handler {
	return &handler{s, sticky}
}

type transport struct {
	s   *Splitter[http.RoundTripper]
	key match.Key
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	b, at, of := choose(t.s, t.key, r)
	if f := flow.Of(r); f != nil {
		f.Branch, f.Drawn, f.DrawnOf = b.Name, at, of
	}
	return b.Value.RoundTrip(r)
}

type handler struct {
	s   *Splitter[http.Handler]
	key match.Key
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, at, of := choose(h.s, h.key, r)
	if f := flow.Served(r); f != nil {
		f.Branch, f.Drawn, f.DrawnOf = b.Name, at, of
	}
	b.Value.ServeHTTP(w, r)
}

// choose is the branch for r and, where a random draw decided, where it fell in
// the sum of the weights and that sum.
func choose[T any](s *Splitter[T], key match.Key, r *http.Request) (b *Branch[T], at, of uint32) {
	t := s.now.Load()
	if key != nil {
		if k, ok := key(r); ok {
			return t.pickKey("", k), 0, 0
		}
	}
	v := rand.Uint64() % t.total
	return t.at(v), uint32(v), uint32(t.total)
}
