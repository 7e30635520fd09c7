package plan

import (
	"cmp"
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// A Rule is one way in which a request can match, and what then happens: one
// match of an HTTPRoute, since a rewrite depends on which one it was.
type Rule struct {
	Name         string                       // as the mesh's own logs name it
	Match        *networking.HTTPMatchRequest // nil matches all
	Route        *networking.HTTPRoute        // nil for a service without rules
	Destinations []Destination
	Mirrors      []Mirror
	Port         uint32 // on which the rule's requests come; 0 for any
	TLS          bool   // whether they come over TLS, as they can to a gateway
	Place        Place
}

// A Destination is one branch of a rule's split.
type Destination struct {
	Cluster Cluster
	Weight  uint32
	Headers *networking.Headers
	Field   string // of the rule, such as route[1]; empty for a service without rules

	// Hash is a consistent hash by which requests of the rule are hashed, or nil. A
	// proxy hashes by those of all destinations before it chooses one, and Istio
	// looks for them apart from a cluster's policy: one can be there although the
	// cluster does not balance by hash, and the other way round.
	Hash *networking.LoadBalancerSettings_ConsistentHashLB
}

// A Mirror is a destination of copies.
type Mirror struct {
	Cluster Cluster
	Percent float64
	Field   string // of the rule, such as mirrors[1]
}

// A Cluster names a set of endpoints under one policy: a host on a port, the
// whole of it or one subset.
type Cluster struct {
	Host   string
	Subset string
	Port   uint32
}

// String is the name that Envoy's statistics and logs have for it.
func (c Cluster) String() string {
	return fmt.Sprintf("outbound|%d|%s|%s", c.Port, c.Subset, c.Host)
}

// Compare orders clusters: equal resources are to be carried out in equal order, so
// that what draws from a seed draws alike and problems are told alike.
func (c Cluster) Compare(d Cluster) int {
	return cmp.Or(strings.Compare(c.Host, d.Host), cmp.Compare(c.Port, d.Port), strings.Compare(c.Subset, d.Subset))
}

// compile makes the rules of a VirtualService for requests of the client to a
// port.
func (v *view) compile(vs Object[*networking.VirtualService], port uint32) []Rule {
	var rules []Rule
	for _, src := range v.rulesOf(vs) {
		base := Rule{Name: src.route.Name, Route: src.route, Port: port, Place: src.place}
		base.Destinations = v.destinations(src.route, port)
		base.Mirrors = v.mirrors(src.route, port)
		if len(src.route.Match) == 0 {
			// Nothing behind a rule that takes all can be reached.
			return append(rules, base)
		}
		for _, m := range src.route.Match {
			if !v.concerns(m, port) {
				continue
			}
			rule := base
			rule.Match = m
			if m.Name != "" {
				rule.Name = base.Name + "." + m.Name
			}
			rules = append(rules, rule)
			if takesAll(m) {
				return rules
			}
		}
	}
	return rules
}

// concerns tests what is known of a match before any request: port, gateways and
// the labels and namespace of the client. Where a match names gateways, labels and
// namespace do not count.
func (v *view) concerns(m *networking.HTTPMatchRequest, port uint32) bool {
	if m.Port != 0 && m.Port != port {
		return false
	}
	if len(m.Gateways) > 0 {
		return appliesTo(m.Gateways, v.client.Gateways)
	}
	return contains(v.client.Labels, m.SourceLabels) &&
		(m.SourceNamespace == "" || m.SourceNamespace == v.client.Namespace)
}

// takesAll reports whether Istio takes a match for one of everything.
func takesAll(m *networking.HTTPMatchRequest) bool {
	if len(m.Headers)+len(m.WithoutHeaders)+len(m.QueryParams) > 0 || m.Method != nil || m.Authority != nil || m.Scheme != nil {
		return false
	}
	switch uri := m.Uri.GetMatchType().(type) {
	case nil:
		return true
	case *networking.StringMatch_Prefix:
		return uri.Prefix == "/"
	case *networking.StringMatch_Regex:
		return uri.Regex == ".*"
	}
	return false
}

// destinations are the branches of a rule with their weights. A single one gets
// everything whatever its weight; among several, one of weight zero gets nothing.
func (v *view) destinations(r *networking.HTTPRoute, port uint32) []Destination {
	var all []Destination
	for i, d := range r.Route {
		weight := uint32(max(d.Weight, 0))
		if len(r.Route) == 1 {
			weight = 1
		}
		if weight == 0 {
			continue
		}
		all = append(all, Destination{
			Cluster: v.clusterOf(d.Destination, port), Weight: weight, Headers: d.Headers, Field: fmt.Sprintf("route[%d]", i),
			Hash: v.hash(d.Destination.GetHost(), d.Destination.GetSubset(), d.Destination.GetPort().GetNumber()),
		})
	}
	return all
}

// clusterOf is the cluster that a destination names: on its port, or else on the
// one asked for. For the mesh Istio looks for the only port of a service just
// among services that have the port asked for, and so finds no other one; for a
// gateway it looks among all.
func (v *view) clusterOf(d *networking.Destination, port uint32) Cluster {
	c := Cluster{Host: v.concrete(d.GetHost()), Subset: d.GetSubset(), Port: port}
	if d.GetPort() != nil {
		c.Port = d.Port.Number
	} else if s := v.services[c.Host]; s != nil && (port == anyPort || len(v.client.Gateways) > 0) && len(s.Ports) == 1 {
		c.Port = s.Ports[0].Number
	}
	return c
}

// mirrors are the targets of copies; a share that is not given is all.
func (v *view) mirrors(r *networking.HTTPRoute, port uint32) []Mirror {
	var all []Mirror
	add := func(field string, d *networking.Destination, percent float64) {
		if percent > 0 {
			all = append(all, Mirror{v.clusterOf(d, port), percent, field})
		}
	}
	if r.Mirror != nil {
		switch {
		case r.MirrorPercentage != nil:
			add("mirror", r.Mirror, r.MirrorPercentage.Value)
		case r.MirrorPercent != nil:
			add("mirror", r.Mirror, float64(r.MirrorPercent.Value))
		default:
			add("mirror", r.Mirror, 100)
		}
	}
	for i, m := range r.Mirrors {
		percent := 100.0
		if m.Percentage != nil {
			percent = m.Percentage.Value
		}
		add(fmt.Sprintf("mirrors[%d]", i), m.Destination, percent)
	}
	return all
}

// defaultRule sends everything to the service.
func (v *view) defaultRule(s *Service, port uint32) Rule {
	return Rule{
		Name: "default",
		Destinations: []Destination{{
			Cluster: Cluster{Host: s.Host, Port: port}, Weight: 1, Hash: v.hash(s.Host, "", port),
		}},
		Port:  port,
		Place: Place{resource: s.Source},
	}
}
