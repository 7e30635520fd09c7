package plan

import (
	"slices"

	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
)

// A Policy is what is in force for one cluster: each block from the place that
// won, nil where nothing is said.
type Policy struct {
	LoadBalancer     *networking.LoadBalancerSettings
	ConnectionPool   *networking.ConnectionPoolSettings
	OutlierDetection *networking.OutlierDetection
	TLS              *networking.ClientTLSSettings
	RetryBudget      *networking.TrafficPolicy_RetryBudget
	Source           string // the DestinationRule; empty if there is none
}

// A policySource is the DestinationRule that applies to a service, with what
// later rules for the same host added to it.
type policySource struct {
	policy  *networking.TrafficPolicy
	subsets map[string]*networking.Subset
	source  string
}

// ruleFor is the DestinationRule of a service for this client, or nil: of the
// client's namespace, else of the service's, else of the root namespace. The
// first namespace that has a rule whose host takes in the service wins, and the
// most specific host in it; nothing is combined across.
func (v *view) ruleFor(s *Service) *policySource {
	if found, known := v.rules[s.Host]; known {
		return found
	}
	found := v.findRule(s)
	v.rules[s.Host] = found
	return found
}

func (v *view) findRule(s *Service) *policySource {
	own := func(r Object[*networking.DestinationRule]) bool {
		// Public rules of the root namespace are for all, also for its own workloads.
		return v.client.Namespace != v.root ||
			len(r.Spec.ExportTo) > 0 && !slices.Contains(r.Spec.ExportTo, "*")
	}
	exported := func(r Object[*networking.DestinationRule]) bool {
		return r.Spec.WorkloadSelector == nil && exportedTo(r.Spec.ExportTo, r.Namespace, v.client.Namespace)
	}
	for _, step := range [...]struct {
		namespace string
		visible   func(Object[*networking.DestinationRule]) bool
	}{
		{v.client.Namespace, own}, {s.Namespace, exported}, {v.root, exported},
	} {
		if found := v.findRuleIn(step.namespace, step.visible, s.Host); found != nil {
			return found
		}
	}
	return nil
}

func (v *view) findRuleIn(namespace string, visible func(Object[*networking.DestinationRule]) bool, host string) *policySource {
	byHost := map[string][]Object[*networking.DestinationRule]{}
	selected := map[string]bool{}
	for _, r := range v.DestinationRules {
		if r.Namespace != namespace || !visible(r) {
			continue
		}
		pattern := v.fqdn(r.Spec.Host, r.Namespace)
		if labels := r.Spec.GetWorkloadSelector().GetMatchLabels(); len(labels) > 0 {
			if !contains(v.client.Labels, labels) {
				continue
			}
			// A rule for these workloads beats the ones for all.
			if !selected[pattern] {
				byHost[pattern], selected[pattern] = nil, true
			}
		} else if selected[pattern] {
			continue
		}
		byHost[pattern] = append(byHost[pattern], r)
	}
	rules, ok := mostSpecific(byHost, host)
	if !ok {
		return nil
	}
	return mergeRules(rules)
}

// mergeRules is the oldest of several rules for one host with the subsets that
// later ones add; their policy counts only when the oldest has none at all.
func mergeRules(rules []Object[*networking.DestinationRule]) *policySource {
	base := rules[0]
	p := &policySource{policy: base.Spec.TrafficPolicy, source: base.Source, subsets: map[string]*networking.Subset{}}
	for _, r := range rules {
		if !slices.Equal(r.Spec.ExportTo, base.Spec.ExportTo) {
			continue
		}
		if p.policy == nil {
			p.policy = r.Spec.TrafficPolicy
		}
		for _, s := range r.Spec.Subsets {
			if p.subsets[s.Name] == nil {
				p.subsets[s.Name] = s
			}
		}
	}
	return p
}

// effective is the policy of a subset ("" is the whole service) on a port, by
// Istio's rules of inheritance: a port's entry replaces the policy around it, and
// a subset's block replaces the service's block.
func (p *policySource) effective(subset string, port uint32, defaults *mesh.MeshConfig_DefaultTrafficPolicy) Policy {
	if p == nil {
		return fillDefaults(Policy{}, defaults)
	}
	result := fillDefaults(forPort(p.policy, port), defaults)
	if s := p.subsets[subset]; s != nil && s.TrafficPolicy != nil {
		own := forPort(s.TrafficPolicy, port)
		if portEntry(s.TrafficPolicy, port) != nil {
			result = own
		} else {
			result = result.overriddenBy(own)
		}
	}
	result.Source = p.source
	return result
}

// forPort is a traffic policy as it is on a port.
func forPort(t *networking.TrafficPolicy, port uint32) Policy {
	if e := portEntry(t, port); e != nil {
		return Policy{LoadBalancer: e.LoadBalancer, ConnectionPool: e.ConnectionPool, OutlierDetection: e.OutlierDetection, TLS: e.Tls}
	}
	return Policy{
		LoadBalancer: t.GetLoadBalancer(), ConnectionPool: t.GetConnectionPool(),
		OutlierDetection: t.GetOutlierDetection(), TLS: t.GetTls(), RetryBudget: t.GetRetryBudget(),
	}
}

func portEntry(t *networking.TrafficPolicy, port uint32) *networking.TrafficPolicy_PortTrafficPolicy {
	for _, e := range t.GetPortLevelSettings() {
		if e.GetPort().GetNumber() == port {
			return e
		}
	}
	return nil
}

// fillDefaults takes the mesh-wide connection pool and outlier detection where
// the service says nothing.
func fillDefaults(p Policy, defaults *mesh.MeshConfig_DefaultTrafficPolicy) Policy {
	if p.ConnectionPool == nil {
		p.ConnectionPool = defaults.GetConnectionPool()
	}
	if p.OutlierDetection == nil {
		p.OutlierDetection = defaults.GetOutlierDetection()
	}
	return p
}

func (p Policy) overriddenBy(o Policy) Policy {
	if o.LoadBalancer != nil {
		p.LoadBalancer = o.LoadBalancer
	}
	if o.ConnectionPool != nil {
		p.ConnectionPool = o.ConnectionPool
	}
	if o.OutlierDetection != nil {
		p.OutlierDetection = o.OutlierDetection
	}
	if o.TLS != nil {
		p.TLS = o.TLS
	}
	if o.RetryBudget != nil {
		p.RetryBudget = o.RetryBudget
	}
	return p
}

// hashFor is the consistent hash that a route to the cluster computes. Istio looks
// for it apart from the cluster's own policy: through the subset's port entry,
// the subset, the service's port entry and the service, and passes over levels
// without one.
func (p *policySource) hashFor(subset string, port uint32) *networking.LoadBalancerSettings_ConsistentHashLB {
	if p == nil {
		return nil
	}
	var levels []*networking.LoadBalancerSettings
	if s := p.subsets[subset]; s != nil {
		levels = append(levels, portEntry(s.TrafficPolicy, port).GetLoadBalancer(), s.TrafficPolicy.GetLoadBalancer())
	}
	levels = append(levels, portEntry(p.policy, port).GetLoadBalancer(), p.policy.GetLoadBalancer())
	for _, l := range levels {
		if h := l.GetConsistentHash(); h != nil {
			return h
		}
	}
	return nil
}
