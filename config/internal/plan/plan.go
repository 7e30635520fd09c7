package plan

import (
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/lb"
)

// A Plan is the world as one client uses it: virtual hosts for each port, and the
// clusters to which their rules lead.
type Plan struct {
	Ports    map[uint32][]VirtualHost // by service port
	Other    []VirtualHost            // for any other port
	Clusters map[Cluster]*Target      // those that exist; a rule may name others
	Refuse   bool                     // whether hosts that nobody knows are refused (REGISTRY_ONLY)
	Servers  []Server                 // of a gateway, in place of Ports and Other
}

// A Target is a cluster worked out.
type Target struct {
	Service   *Service
	Port      Port
	Endpoints []lb.Endpoint // all of them: locality is applied by whoever balances
	Policy    Policy

	// Pool is the policy's connection pool with the mesh-wide settings where the
	// policy is silent.
	Pool *networking.ConnectionPoolSettings

	// Hash is what a route that leads here and names the port hashes requests by. A
	// rule's own hashes are those of its destinations.
	Hash *networking.LoadBalancerSettings_ConsistentHashLB
}

// New plans for a client. The error joins what is wrong with endpoints.
func New(w *World, c Client) (*Plan, error) {
	v := newView(w, c)
	p := &Plan{
		Ports: map[uint32][]VirtualHost{}, Clusters: map[Cluster]*Target{},
		Refuse: v.refuses(),
	}
	for _, port := range v.ports() {
		p.Ports[port] = v.hosts(port)
		v.addTargets(p, p.Ports[port])
	}
	p.Other = v.hosts(anyPort)
	v.addTargets(p, p.Other)
	return p, v.err()
}

// ports are all on which a service is asked for, and the one on which hosts count
// that are none.
func (v *view) ports() []uint32 {
	all := []uint32{httpPort}
	for _, s := range v.services {
		for _, p := range s.Ports {
			all = append(all, p.Number)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// addTargets works out the clusters that the rules of hosts lead to.
func (v *view) addTargets(p *Plan, hosts []VirtualHost) {
	add := func(c Cluster) {
		if p.Clusters[c] == nil {
			if t := v.target(c); t != nil {
				p.Clusters[c] = t
			}
		}
	}
	for _, vh := range hosts {
		for _, r := range vh.Rules {
			for _, d := range r.Destinations {
				add(d.Cluster)
			}
			for _, m := range r.Mirrors {
				add(m.Cluster)
			}
		}
	}
}

// target is a cluster worked out, or nil when the service, port or subset does not
// exist.
func (v *view) target(c Cluster) *Target {
	s := v.services[c.Host]
	if s == nil {
		return nil
	}
	port := s.port(c.Port)
	if port == nil {
		return nil
	}
	rule := v.policyFor(s)
	var labels map[string]string
	if c.Subset != "" {
		if rule == nil || rule.subsets[c.Subset] == nil {
			return nil
		}
		labels = rule.subsets[c.Subset].Labels
	}
	policy := rule.effective(c.Subset, c.Port, v.Mesh.GetDefaultTrafficPolicy())
	return &Target{
		Service: s, Port: *port, Endpoints: s.endpoints(port, labels),
		Policy: policy, Pool: pool(policy.ConnectionPool, port.Protocol, v.Mesh),
		Hash: v.hash(c.Host, c.Subset, c.Port),
	}
}
