package build

import (
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/timeout"
)

// A layer is a client layer.
type layer = func(http.RoundTripper) http.RoundTripper

// rule makes the layers of one rule, in the order in which a sidecar's filters meet
// a request: faults, CORS, then the router with its mirrors, the bound on the
// request, the choice of a destination, and what belongs to the destination.
func (u *update) rule(rule *plan.Rule) (http.RoundTripper, error) {
	last, err := u.destination(rule)
	if err != nil {
		return nil, err
	}
	bound, err := timeout.New(timeout.Config{Total: rule.Route.GetTimeout().AsDuration(), GRPC: true})
	if err != nil {
		return nil, err
	}
	return mesh.Chain(bound.Transport)(last), nil
}

// destination is the split of a rule over its destinations, each behind its
// retries.
func (u *update) destination(rule *plan.Rule) (http.RoundTripper, error) {
	var branches []split.ClientBranch
	for i := range rule.Destinations {
		d := &rule.Destinations[i]
		value, err := u.branch(rule, d)
		if err != nil {
			return nil, err
		}
		branches = append(branches, split.ClientBranch{Name: d.Cluster.String(), Weight: d.Weight, Value: value})
	}
	if len(branches) == 1 {
		return branches[0].Value, nil
	}
	s, err := split.New(branches...)
	if err != nil {
		return nil, err
	}
	return split.Transport(s, nil), nil
}

// branch is what a request to one destination meets.
func (u *update) branch(rule *plan.Rule, d *plan.Destination) (http.RoundTripper, error) {
	to := u.clusters[d.Cluster]
	if to == nil {
		return missing{d.Cluster.String()}, nil
	}
	policy, err := u.retries(rule, to)
	if err != nil {
		return nil, err
	}
	layers := []layer{policy.Transport}
	if u.mesh.options.ProxyHeaders {
		layers = append(layers, timeout.Announce)
	}
	return mesh.Chain(layers...)(to), nil
}
