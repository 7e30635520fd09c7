package build

import (
	"math/rand/v2"
	"net/http"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
)

// hashing computes the hash of requests for a rule with several destinations that
// balance by hash: Istio puts the hash policies of all of them on the route, and
// Envoy combines them. A single destination hashes by itself.
func (u *update) hashing(rule *plan.Rule) (layer, error) {
	if len(rule.Destinations) < 2 {
		return nil, nil
	}
	var sources []lb.HashSource
	for _, d := range rule.Destinations {
		if to := u.clusters[d.Cluster]; to != nil {
			sources = append(sources, hashSources(to.target.Hash)...)
		}
	}
	if len(sources) == 0 {
		return nil, nil
	}
	hasher, err := lb.NewHasher(sources...)
	if err != nil {
		return nil, err
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
	f.Draw = h.draw()
	var cookies []string
	m := f.Tell()
	m.Hash, m.Hashed, cookies = h.hasher.Hash(r, f.Draw)
	m.HashKnown = true
	res, err := h.next.RoundTrip(r)
	if err == nil {
		for _, cookie := range cookies {
			res.Header.Add("Set-Cookie", cookie)
		}
	}
	return res, err
}
