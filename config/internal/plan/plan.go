package plan

import (
	"errors"
	"maps"
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
}

// A Target is a cluster worked out.
type Target struct {
	Service   *Service
	Port      Port
	Endpoints []lb.Endpoint // all of them: locality is applied by whoever balances
	Policy    Policy
	// Hash is what a route that leads here hashes requests by. It can be there
	// although the cluster does not balance by hash, and the other way round.
	Hash *networking.LoadBalancerSettings_ConsistentHashLB
}

// New plans for a client. The error joins what is wrong with endpoints.
func New(w *World, c Client) (*Plan, error) {
	v := newView(w, c)
	p := &Plan{
		Ports: map[uint32][]VirtualHost{}, Clusters: map[Cluster]*Target{},
		Refuse: w.Mesh.GetOutboundTrafficPolicy() != nil && w.Mesh.OutboundTrafficPolicy.Mode.String() == "REGISTRY_ONLY",
	}
	for _, port := range v.ports() {
		p.Ports[port] = v.hosts(port)
	}
	p.Other = v.hosts(0)
	var errs []error
	for _, hosts := range append(slices.Collect(maps.Values(p.Ports)), p.Other) {
		for i := range hosts {
			errs = append(errs, v.targets(p, hosts[i].Rules))
		}
	}
	return p, errors.Join(errs...)
}

// ports are all on which a service is asked for.
func (v *view) ports() []uint32 {
	var all []uint32
	for _, s := range v.services {
		for _, p := range s.Ports {
			all = append(all, p.Number)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// targets works out the clusters that rules lead to.
func (v *view) targets(p *Plan, rules []Rule) error {
	var errs []error
	add := func(c Cluster) {
		if p.Clusters[c] == nil {
			t, err := v.target(c)
			if t != nil {
				p.Clusters[c] = t
			}
			errs = append(errs, err)
		}
	}
	for _, r := range rules {
		for _, d := range r.Destinations {
			add(d.Cluster)
		}
		for _, m := range r.Mirrors {
			add(m.Cluster)
		}
	}
	return errors.Join(errs...)
}

// target is a cluster worked out, or nil when the service, port or subset does not
// exist.
func (v *view) target(c Cluster) (*Target, error) {
	s := v.services[c.Host]
	if s == nil {
		return nil, nil
	}
	port := s.port(c.Port)
	if port == nil {
		return nil, nil
	}
	rule := v.ruleFor(s)
	var labels map[string]string
	if c.Subset != "" {
		if rule == nil || rule.subsets[c.Subset] == nil {
			return nil, nil
		}
		labels = rule.subsets[c.Subset].Labels
	}
	endpoints, err := s.endpoints(port, labels)
	if err != nil {
		return nil, err
	}
	return &Target{
		Service: s, Port: *port, Endpoints: endpoints,
		Policy: rule.effective(c.Subset, c.Port, v.Mesh.GetDefaultTrafficPolicy()),
		Hash:   rule.hashFor(c.Subset, c.Port),
	}, nil
}
