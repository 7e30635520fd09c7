package plan

import (
	"maps"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
)

// A policySource is the DestinationRule that applies to a service, with what
// other rules for the same host added to it.
type policySource struct {
	policy   *networking.TrafficPolicy
	subsets  map[string]*networking.Subset
	written  []Object[*networking.DestinationRule] // that it is made of
	exportTo []string
	selector *networking.DestinationRule // nil unless it is for some workloads only
}

// policyFor is the DestinationRule of a service for this client, or nil: of the
// client's namespace, else of the service's, else of the root namespace. The
// first namespace that has a rule whose host takes in the service wins, and the
// most specific host in it; nothing is combined across.
func (v *view) policyFor(s *Service) *policySource {
	if found, known := v.policies[s.Host]; known {
		return found
	}
	found := v.choose(v.candidates(s))
	v.policies[s.Host] = found
	return found
}

// candidates are the rules of the namespace that wins.
func (v *view) candidates(s *Service) []*policySource {
	local := indexKey{v.client.Namespace, localRules}
	if v.client.Namespace == v.root {
		// The rules of the root namespace are for all. Of its own workloads only the
		// private ones are the first choice.
		local.scope = privateRules
	}
	if found, ok := mostSpecific(v.index(local).byHost, s.Host); ok {
		return found
	}
	for _, namespace := range [...]string{s.Namespace, v.root} {
		found, _ := mostSpecific(v.index(indexKey{namespace, exportedRules}).byHost, s.Host)
		var seen []*policySource
		for _, p := range found {
			if len(p.exportTo) == 0 || slices.Contains(p.exportTo, "*") || slices.Contains(p.exportTo, v.client.Namespace) {
				seen = append(seen, p)
			}
		}
		if len(seen) > 0 {
			return seen
		}
	}
	return nil
}

// choose is the rule for the client's workload, or else the last of those that are
// for all. There are several of those when they are exported to different
// namespaces.
func (v *view) choose(candidates []*policySource) *policySource {
	var all *policySource
	for _, p := range candidates {
		switch {
		case p.selector == nil:
			all = p
		case p.selectsIn(v.client):
			return p
		}
	}
	return all
}

func (p *policySource) selectsIn(c Client) bool {
	return contains(c.Labels, p.selector.WorkloadSelector.MatchLabels)
}

// A scope is which rules of a namespace count.
type scope int

const (
	localRules    scope = iota // for clients of the namespace
	privateRules               // for nobody else
	exportedRules              // for clients of others, too
)

type indexKey struct {
	namespace string
	scope     scope
}

// A policyIndex has the rules of a namespace by their hosts.
type policyIndex struct {
	byHost map[string][]*policySource
}

func (v *view) index(key indexKey) *policyIndex {
	if found := v.indexes[key]; found != nil {
		return found
	}
	index := &policyIndex{byHost: map[string][]*policySource{}}
	// Those for some workloads come before those for all.
	for _, selecting := range [...]bool{true, false} {
		for _, r := range v.destinationRules {
			if r.Namespace == key.namespace && selecting == (r.Spec.WorkloadSelector != nil) && v.inScope(r, key.scope) {
				index.add(r)
			}
		}
	}
	v.indexes[key] = index
	return index
}

func (v *view) inScope(r Object[*networking.DestinationRule], s scope) bool {
	exportTo := reach(r.Spec)
	private := len(exportTo) == 1 && (exportTo[0] == "." || exportTo[0] == r.Namespace)
	if len(exportTo) == 0 {
		private = slices.Contains(v.Mesh.GetDefaultDestinationRuleExportTo(), ".")
	}
	switch s {
	case privateRules:
		return private
	case exportedRules:
		return !private
	}
	return len(exportTo) == 0 || exportedTo(exportTo, r.Namespace, r.Namespace)
}

// reach is what a rule is exported to. One for some workloads only stays in its
// namespace.
func reach(r *networking.DestinationRule) []string {
	if r.WorkloadSelector != nil {
		return []string{"."}
	}
	return r.ExportTo
}

// add adds a rule to those for the same host that it can be merged with, or as
// one beside them: rules merge when they are for the same workloads and the later
// one is exported at least as far.
func (x *policyIndex) add(r Object[*networking.DestinationRule]) {
	rules := x.byHost[r.Spec.Host]
	apart := true
	for _, p := range rules {
		switch {
		case sameSet(reach(r.Spec), p.exportTo):
			apart = false
		case len(p.exportTo) == 0 || !superset(reach(r.Spec), p.exportTo):
			apart = true
			continue
		default:
			apart = true
		}
		switch {
		case r.Spec.WorkloadSelector != nil && p.selector != nil &&
			!maps.Equal(r.Spec.WorkloadSelector.MatchLabels, p.selector.WorkloadSelector.MatchLabels):
			apart = true
			continue
		case (r.Spec.WorkloadSelector != nil) == (p.selector != nil):
			apart = false
		}
		p.merge(r)
	}
	if apart {
		p := &policySource{exportTo: reach(r.Spec), subsets: map[string]*networking.Subset{}}
		if r.Spec.WorkloadSelector != nil {
			p.selector = r.Spec
		}
		p.merge(r)
		x.byHost[r.Spec.Host] = append(rules, p)
	}
}

// merge adds the subsets that p has not, and the policy if p has none at all.
func (p *policySource) merge(o Object[*networking.DestinationRule]) {
	r := o.Spec
	p.written = append(p.written, o)
	if p.policy == nil {
		p.policy = r.TrafficPolicy
	}
	for _, s := range r.Subsets {
		if p.subsets[s.Name] == nil {
			p.subsets[s.Name] = s
		}
	}
}

func sameSet(a, b []string) bool { return superset(a, b) && superset(b, a) }

func superset(a, b []string) bool {
	return !slices.ContainsFunc(b, func(e string) bool { return !slices.Contains(a, e) })
}
