package gatewayapi

import (
	"slices"
	"strings"

	"github.com/sidecarless/mesh/config/internal/kube"
)

// Protocols of listeners that this package serves.
const (
	protocolHTTP  = "HTTP"
	protocolHTTPS = "HTTPS"
)

// Reasons why a route is not accepted, or a reference not resolved, as the API
// names them.
const (
	reasonAccepted     = "Accepted"
	reasonNoParent     = "NoMatchingParent"
	reasonNotAllowed   = "NotAllowedByListeners"
	reasonNoHostname   = "NoMatchingListenerHostname"
	reasonResolved     = "ResolvedRefs"
	reasonInvalidKind  = "InvalidKind"
	reasonNotFound     = "BackendNotFound"
	reasonNotPermitted = "RefNotPermitted"
	reasonProtocol     = "UnsupportedProtocol"
)

// A place is a listener of a Gateway, its own or that of a ListenerSet.
type place struct {
	*listenerSpec
	kind, namespace, name string // of what it stands in
	gateway               *object[gatewaySpec]
}

func (p *place) hostname() string {
	if h := or(p.Hostname, ""); h != "" {
		return h
	}
	return anyHost
}

// placesOf are the listeners of a Gateway. One that has the port and hostname of an
// earlier one is in conflict with it and left out.
func (c *Config) placesOf(g *object[gatewaySpec]) []*place {
	var all []*place
	add := func(list []listenerSpec, kind, namespace, name string) {
		for i := range list {
			p := &place{&list[i], kind, namespace, name, g}
			if !slices.ContainsFunc(all, func(q *place) bool { return q.Port == p.Port && q.hostname() == p.hostname() }) {
				all = append(all, p)
			}
		}
	}
	add(g.spec.Listeners, g.kind, g.namespace, g.name)
	for _, s := range c.listenerSets {
		if c.gatewayOf(s) == g {
			add(s.spec.Listeners, s.kind, s.namespace, s.name)
		}
	}
	return all
}

// gatewayOf is the Gateway to which a ListenerSet may add, or nil.
func (c *Config) gatewayOf(s *object[listenerSetSpec]) *object[gatewaySpec] {
	ref := s.spec.ParentRef
	if or(ref.Kind, "Gateway") != "Gateway" || or(ref.Group, apiGroup) != apiGroup {
		return nil
	}
	g := c.gatewayByID[or(ref.Namespace, s.namespace)+"/"+ref.Name]
	if g == nil || g.spec.AllowedListeners == nil {
		return nil
	}
	from := g.spec.AllowedListeners.Namespaces
	if from == nil || from.From == nil || !c.fromNamespace(from, g.namespace, s.namespace) {
		return nil
	}
	return g
}

// fromNamespace tells whether something of namespace may come to namespace own.
func (c *Config) fromNamespace(f *fromNamespaces, own, namespace string) bool {
	if f == nil {
		return namespace == own
	}
	switch or(f.From, fromSame) {
	case fromAll:
		return true
	case fromSame:
		return namespace == own
	case fromSelector:
		labels := map[string]string{"kubernetes.io/metadata.name": namespace}
		if n := c.namespaceByID["/"+namespace]; n != nil {
			for k, v := range n.labels {
				labels[k] = v
			}
		}
		return f.Selector.selects(labels)
	}
	return false
}

func (s *selector) selects(labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	for _, r := range s.MatchExpressions {
		value, there := labels[r.Key]
		among := there && slices.Contains(r.Values, value)
		fits := map[string]bool{"In": among, "NotIn": !among, "Exists": there, "DoesNotExist": !there}
		if !fits[r.Operator] {
			return false
		}
	}
	return true
}

// An attachment is a route at a listener, with the hosts that both are for.
type attachment struct {
	route *routeObject
	place *place
	hosts []string
}

// attach finds the listeners to which a reference of a route attaches it, or the
// reason why there are none.
func (c *Config) attach(r *routeObject, ref parentRef) (list []attachment, reason string) {
	kind, namespace := or(ref.Kind, "Gateway"), or(ref.Namespace, r.namespace)
	var places []*place
	for _, p := range c.places {
		if p.kind == kind && p.namespace == namespace && p.name == ref.Name &&
			p.Name == or(ref.SectionName, p.Name) && p.Port == or(ref.Port, p.Port) {
			places = append(places, p)
		}
	}
	if len(places) == 0 {
		return nil, reasonNoParent
	}
	places = slices.DeleteFunc(places, func(p *place) bool { return !c.allows(p, r) })
	if len(places) == 0 {
		return nil, reasonNotAllowed
	}
	for _, p := range places {
		if hosts := intersect(p.hostname(), r.hostnames); len(hosts) > 0 {
			list = append(list, attachment{r, p, hosts})
		}
	}
	if len(list) == 0 {
		return nil, reasonNoHostname
	}
	return list, reasonAccepted
}

// allows tells whether a listener takes a route of that kind and namespace.
func (c *Config) allows(p *place, r *routeObject) bool {
	if p.Protocol != protocolHTTP && p.Protocol != protocolHTTPS {
		return false
	}
	if p.AllowedRoutes == nil {
		return r.namespace == p.namespace
	}
	kinds := p.AllowedRoutes.Kinds
	if len(kinds) > 0 && !slices.ContainsFunc(kinds, func(k routeKind) bool { return k.Kind == r.kind && or(k.Group, apiGroup) == apiGroup }) {
		return false
	}
	return c.fromNamespace(p.AllowedRoutes.Namespaces, p.namespace, r.namespace)
}

// intersect are the hosts that a listener and a route are both for.
func intersect(listener string, hostnames []string) []string {
	if len(hostnames) == 0 {
		return []string{listener}
	}
	var hosts []string
	for _, h := range hostnames {
		switch {
		case covers(listener, h):
			hosts = append(hosts, h)
		case covers(h, listener):
			hosts = append(hosts, listener)
		}
	}
	return hosts
}

// overlap tells whether two lists of hosts have names in common.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return len(intersect(x, b)) > 0 })
}

// isMesh tells whether a reference is to a Service.
func (ref *parentRef) isMesh() bool {
	return ref.Kind != nil && *ref.Kind == "Service" && or(ref.Group, apiGroup) == ""
}

// isOurs tells whether a reference is to a kind that this package knows.
func (ref *parentRef) isOurs() bool {
	kind := or(ref.Kind, "Gateway")
	return ref.isMesh() || or(ref.Group, apiGroup) == apiGroup && (kind == "Gateway" || kind == "ListenerSet")
}

// attachMesh is the Service to which a reference attaches a route, or the reason
// why there is none.
func (c *Config) attachMesh(r *routeObject, ref parentRef) (s *object[kube.Service], reason string) {
	s = c.serviceByID[or(ref.Namespace, r.namespace)+"/"+ref.Name]
	switch {
	case s == nil, s.spec.Type == kube.ExternalName, s.spec.ClusterIP == kube.Headless:
		return nil, reasonNoParent
	case ref.Port != nil && portOf(s.spec, *ref.Port) == nil:
		return nil, reasonNoParent
	}
	return s, reasonAccepted
}

// words is how a reference is written in messages.
func (ref *parentRef) words(namespace string) string {
	parts := []string{or(ref.Kind, "Gateway"), or(ref.Namespace, namespace) + "/" + ref.Name}
	if ref.SectionName != nil {
		parts = append(parts, "section "+*ref.SectionName)
	}
	return strings.Join(parts, " ")
}
