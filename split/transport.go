package split

import (
	"math/rand/v2"
	"net/http"

	"github.com/sidecarless/mesh/internal/flow"
)

// Transport sends each request through a branch of s that is drawn at random.
// For users who are to keep their branch there is [Sticky.Transport].
func Transport(s *Splitter[http.RoundTripper]) http.RoundTripper { return &transport{s} }

// Handler serves each request by a branch of s that is drawn at random. For users
// who are to keep their branch there is [Sticky.Handler].
func Handler(s *Splitter[http.Handler]) http.Handler { return &handler{s} }

type transport struct{ s *Splitter[http.RoundTripper] }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := t.s.draw()
	if t := flow.TryOf(r); t != nil {
		c.note(t.Choice())
	}
	return c.Value.RoundTrip(r)
}

type handler struct{ s *Splitter[http.Handler] }

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := h.s.draw()
	if f := flow.Served(r); f != nil {
		c.note(&f.Choice)
	}
	c.Value.ServeHTTP(w, r)
}

// A choice is the branch for a request.
type choice[T any] struct {
	*Branch[T]
	at, of uint32 // where a random draw fell in the sum of the weights, and that sum; zero where none decided
	issue  string // the value of the cookie that the user is to get; empty for none
}

// draw is a random choice.
func (s *Splitter[T]) draw() choice[T] {
	if s.Rand != nil {
		return s.now.Load().draw(s.Rand())
	}
	return s.now.Load().draw(rand.Uint64())
}

// draw is the choice for 64 random bits.
func (t *table[T]) draw(random uint64) choice[T] {
	v := random % t.total
	return choice[T]{Branch: t.at(v), at: uint32(v), of: uint32(t.total)}
}

// note tells the record of the request.
func (c *choice[T]) note(to *flow.Choice) { to.Branch, to.Drawn, to.DrawnOf = c.Name, c.at, c.of }
