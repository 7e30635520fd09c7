package build

import (
	"math/rand/v2"
	"net/http"
	"slices"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/timeout"
)

// A layer is a client layer; nil is none.
type layer = func(http.RoundTripper) http.RoundTripper

// rule makes the layers of one rule, in the order in which a sidecar's filters meet
// a request: faults, CORS, then the router with its copies, the bound on the
// request, the choice of a destination, and what belongs to the destination. The
// rule's changes of answers are made to replies of its own as well, but not to those
// to preflights.
func (u *update) rule(rule *plan.Rule) (http.RoundTripper, error) {
	var l check.List
	last, err := action(rule)
	l.Include("spec.http", err)
	routed := last == nil
	if routed {
		last, err = u.routed(rule)
		l.Include("spec.http", err)
	}
	onAnswers, err := answers(rule)
	l.Include("spec.http.headers.response", err)
	var faults, onOrigins layer
	if !u.mesh.options.FaultsInside {
		faults, err = u.faults(rule)
		l.Include("spec.http.fault", err)
	}
	if routed { // for other rules it has no effect
		onOrigins, err = cors(rule)
		l.Include("spec.http.corsPolicy", err)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	var layers []layer
	cluster := "" // of requests that do not come that far
	if len(rule.Destinations) == 1 && u.clusters[rule.Destinations[0].Cluster] != nil {
		cluster = rule.Destinations[0].Cluster.String()
	}
	if u.mesh.options.ProxyHeaders {
		layers = append(layers, func(next http.RoundTripper) http.RoundTripper { return upgrades{next, cluster} })
		if routed {
			last = timed{last}
		}
	}
	if cluster != "" && (rule.Route.GetFault() != nil || onOrigins != nil) {
		layers = append(layers, named(cluster).layer)
	}
	if routed && faults != nil {
		onAborts, err := u.onAborts(rule, onAnswers)
		if err != nil {
			return nil, err
		}
		layers = append(layers, onAborts)
	}
	layers = append(layers, faults, onOrigins, onAnswers)
	if onAnswers != nil {
		layers = append(layers, mesh.ErrorsAsResponses)
	}
	return mesh.Chain(layers...)(last), nil
}

// onAborts makes the changes of answers to those that faults give: those of one of
// several destinations, which Envoy has chosen by then, and the rule's. It is nil if
// there is nothing to do.
func (u *update) onAborts(rule *plan.Rule, ofRule layer) (layer, error) {
	a := aborts{ofRule: ofRule, draw: u.mesh.options.Rand}
	if a.draw == nil {
		a.draw = rand.Uint64
	}
	var branches []split.Branch[layer]
	several := len(rule.Destinations) > 1
	for i := range rule.Destinations {
		d := &rule.Destinations[i]
		change, err := branchAnswers(rule, d)
		if err != nil {
			return nil, err
		}
		several = several || change != nil // of the one that has a weight
		branches = append(branches, split.Branch[layer]{Name: d.Cluster.String(), Weight: d.Weight, Value: change})
	}
	if several {
		var err error
		if a.ofBranch, err = split.New(branches...); err != nil {
			return nil, err
		}
	} else if ofRule == nil {
		return nil, nil
	}
	return func(next http.RoundTripper) http.RoundTripper { return aborting{a, next} }, nil
}

type aborts struct {
	ofRule   layer                  // nil for none
	ofBranch *split.Splitter[layer] // nil if there are none
	draw     func() uint64
}

type aborting struct {
	aborts
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a aborting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.next.RoundTrip(r)
	if f := flow.Of(r); err != nil || f == nil || f.More == nil || !f.More.Flags.Has(mesh.FaultInjected) {
		return res, err
	}
	changes := []layer{a.ofRule, nil}
	if a.ofBranch != nil {
		branch := a.ofBranch.Pick(a.draw())
		changes[1] = branch.Value
		if t := flow.TryOf(r); t != nil {
			t.Choice().Upstream = branch.Name
		}
	}
	return mesh.Chain(changes...)(answered{res}).RoundTrip(r)
}

// answered has the answer already.
type answered struct{ *http.Response }

// RoundTrip implements http.RoundTripper.
func (a answered) RoundTrip(*http.Request) (*http.Response, error) { return a.Response, nil }

// named notes the destination of a request also where it does not come that far.
type named string

func (n named) layer(next http.RoundTripper) http.RoundTripper { return naming{string(n), next} }

type naming struct {
	cluster string
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (n naming) RoundTrip(r *http.Request) (*http.Response, error) {
	if t := flow.TryOf(r); t != nil {
		t.Choice().Upstream = n.cluster
	}
	return n.next.RoundTrip(r)
}

// routed is a rule that leads to destinations.
func (u *update) routed(rule *plan.Rule) (http.RoundTripper, error) {
	bound, err := timeout.New(timeout.Config{Total: rule.Route.GetTimeout().AsDuration(), GRPC: true})
	if err != nil {
		return nil, err
	}
	copies, err := u.copies(rule)
	if err != nil {
		return nil, err
	}
	last, err := u.destinations(rule, copies)
	if err != nil {
		return nil, err
	}
	return bound.Transport(last), nil
}

// destinations is the split of a rule.
func (u *update) destinations(rule *plan.Rule, copies []layer) (http.RoundTripper, error) {
	var branches []split.ClientBranch
	for i := range rule.Destinations {
		d := &rule.Destinations[i]
		value, err := u.branch(rule, d, copies)
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
	s.Rand = u.mesh.options.Rand
	return split.Transport(s), nil
}

// branch is what a request to one destination meets: changes, copies, retries, and
// the cluster. Of a request to a destination that is not there are no copies.
func (u *update) branch(rule *plan.Rule, d *plan.Destination, copies []layer) (http.RoundTripper, error) {
	var l check.List
	onAnswer, err := branchAnswers(rule, d)
	l.Include("route.headers.response", err)
	to := u.clusters[d.Cluster]
	if to == nil {
		return mesh.Chain(onAnswer, mesh.ErrorsAsResponses)(missing{d.Cluster.String()}), l.Err()
	}
	onRequest, err := u.rewriteOf(rule, d)
	l.Include("", err)
	hash, err := u.hashing(rule, to)
	l.Include("", err)
	policy, err := u.retries(rule, d, to)
	l.Include("retries", err)
	if policy == nil {
		return nil, l.Err()
	}
	var layers []layer
	if onAnswer != nil {
		layers = append(layers, onAnswer, mesh.ErrorsAsResponses)
	}
	if u.mesh.options.ProxyHeaders {
		layers = append(layers, func(next http.RoundTripper) http.RoundTripper { return firstAttempt{next} })
	}
	if onRequest != nil { // which may write the name
		layers = append(layers, named(d.Cluster.String()).layer)
	}
	layers = append(slices.Concat(layers, onRequest, copies), hash, policy.Transport)
	if u.mesh.options.ProxyHeaders {
		layers = append(layers, func(next http.RoundTripper) http.RoundTripper { return furtherAttempts{next} }, timeout.Announce)
	}
	if u.mesh.options.FaultsInside {
		faults, err := u.faults(rule)
		l.Include("fault", err)
		layers = append(layers, faults)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return mesh.Chain(layers...)(to), nil
}
