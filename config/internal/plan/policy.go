package plan

import (
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

	written []Object[*networking.DestinationRule] // that the blocks come from
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
			// The entry stands for all four blocks that it can have, and for no other.
			own.RetryBudget = result.RetryBudget
			result = own
		} else {
			result = result.overriddenBy(own)
		}
	}
	result.Source, result.written = p.written[0].Source, p.written
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

// hash is the consistent hash that a route to a service computes, or nil. Istio
// looks through the subset's port entry, the subset, the service's port entry and
// the service, and passes over levels without one. The port is the one that the
// route names; zero finds no port's entry.
func (v *view) hash(host, subset string, port uint32) *networking.LoadBalancerSettings_ConsistentHashLB {
	s := v.services[host]
	if s == nil {
		return nil
	}
	p := v.policyFor(s)
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
