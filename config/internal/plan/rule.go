package plan

import (
	"fmt"

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
	Source       string
}

// A Destination is one branch of a rule's split.
type Destination struct {
	Cluster Cluster
	Weight  uint32
	Headers *networking.Headers
}

// A Mirror is a destination of copies.
type Mirror struct {
	Cluster Cluster
	Percent float64
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

// compile makes the rules of a VirtualService for requests of the client to a
// port.
func (v *view) compile(vs Object[*networking.VirtualService], port uint32) []Rule {
	var rules []Rule
	for _, src := range v.rulesOf(vs) {
		base := Rule{Name: src.route.Name, Route: src.route, Port: port, Source: src.source}
		base.Destinations = v.destinations(src, port)
		base.Mirrors = v.mirrors(src, port)
		if len(src.route.Match) == 0 {
			// Nothing behind a rule that takes all can be reached.
			return append(rules, base)
		}
		for _, m := range src.route.Match {
			if !v.concerns(m, vs, port) {
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
// the labels and namespace of the client.
func (v *view) concerns(m *networking.HTTPMatchRequest, vs Object[*networking.VirtualService], port uint32) bool {
	if m.Port != 0 && m.Port != port {
		return false
	}
	if len(m.Gateways) > 0 {
		return appliesTo(m.Gateways, vs.Namespace, v.client.Gateways)
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
func (v *view) destinations(src ruleSource, port uint32) []Destination {
	var all []Destination
	for _, d := range src.route.Route {
		weight := uint32(max(d.Weight, 0))
		if len(src.route.Route) == 1 {
			weight = 1
		}
		if weight == 0 {
			continue
		}
		all = append(all, Destination{v.clusterOf(d.Destination, src.namespace, port), weight, d.Headers})
	}
	return all
}

// clusterOf is the cluster that a destination names: on its port, on the only one
// that the service has, or on the one asked for.
func (v *view) clusterOf(d *networking.Destination, namespace string, port uint32) Cluster {
	c := Cluster{Host: v.fqdn(d.GetHost(), namespace), Subset: d.GetSubset(), Port: port}
	if number := d.GetPort().GetNumber(); number != 0 {
		c.Port = number
	} else if s := v.services[c.Host]; s != nil && len(s.Ports) == 1 {
		c.Port = s.Ports[0].Number
	}
	return c
}

// mirrors are the targets of copies; a share that is not given is all.
func (v *view) mirrors(src ruleSource, port uint32) []Mirror {
	r := src.route
	var all []Mirror
	if r.Mirror != nil {
		percent := 100.0
		switch {
		case r.MirrorPercentage != nil:
			percent = r.MirrorPercentage.Value
		case r.MirrorPercent != nil: //nolint:staticcheck // the old field is still read
			percent = float64(r.MirrorPercent.Value) //nolint:staticcheck
		}
		all = append(all, Mirror{v.clusterOf(r.Mirror, src.namespace, port), percent})
	}
	for _, m := range r.Mirrors {
		percent := 100.0
		if m.Percentage != nil {
			percent = m.Percentage.Value
		}
		all = append(all, Mirror{v.clusterOf(m.Destination, src.namespace, port), percent})
	}
	return all
}

// defaultRule sends everything to the service.
func (v *view) defaultRule(s *Service, port uint32) Rule {
	return Rule{
		Name:         "default",
		Port:         port,
		Destinations: []Destination{{Cluster: Cluster{Host: s.Host, Port: port}, Weight: 1}},
		Source:       s.Source,
	}
}
