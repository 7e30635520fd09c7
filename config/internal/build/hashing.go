package build

import (
	"math/rand/v2"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
)

// hashing computes the hash of a rule's requests to a destination that balances by
// hash: Istio puts the hash policies of all destinations on the route, and Envoy
// combines them when it looks for an endpoint, with the headers that are sent. A
// destination hashes by itself where that comes to the same.
func (u *update) hashing(rule *plan.Rule, to *cluster) (layer, error) {
	if to.target.Policy.LoadBalancer.GetConsistentHash() == nil {
		return nil, nil
	}
	if len(rule.Destinations) == 1 && proto.Equal(rule.Destinations[0].Hash, to.target.Hash) {
		return nil, nil
	}
	var sources []lb.HashSource
	for _, d := range rule.Destinations {
		sources = append(sources, hashSources(d.Hash)...)
	}
	var hasher *lb.Hasher // nil hashes nothing: any endpoint will do
	if len(sources) > 0 {
		var err error
		if hasher, err = lb.NewHasher(sources...); err != nil {
			return nil, err
		}
	}
	draw := u.mesh.options.Rand
	if draw == nil {
		draw = rand.Uint64
	}
	return func(next http.RoundTripper) http.RoundTripper { return hashed{hasher, draw, next} }, nil
}

type hashed struct {
	hasher *lb.Hasher
	draw   func() uint64
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (h hashed) RoundTrip(r *http.Request) (*http.Response, error) {
	f, r := flow.Ensure(r)
	var cookies []string
	m := f.Tell()
	m.HashKnown = true
	if h.hasher != nil {
		f.Draw = h.draw()
		m.Hash, m.Hashed, cookies = h.hasher.Hash(r, f.Draw)
	}
	res, err := h.next.RoundTrip(r)
	if err == nil {
		for _, cookie := range cookies {
			res.Header.Add("Set-Cookie", cookie)
		}
	}
	return res, err
}
