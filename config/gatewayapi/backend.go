package gatewayapi

import (
	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/upstream"
)

// portOf is the Service's port of that number, or nil.
func portOf(s *kube.Service, number int32) *kube.ServicePort {
	for i := range s.Ports {
		if s.Ports[i].Port == uint32(number) {
			return &s.Ports[i]
		}
	}
	return nil
}

// A target is a port of a Service, and how it is spoken to.
type target struct {
	service  *object[kube.Service]
	port     *kube.ServicePort
	protocol upstream.Protocol
}

// resolve finds the Service that a route refers to, or the reason why there is
// none. Within the mesh references to other namespaces need no grant.
func (c *Config) resolve(ref objectRef, r *routeObject, inMesh bool) (t target, reason string) {
	if or(ref.Kind, "Service") != "Service" || or(ref.Group, "") != "" {
		return t, reasonInvalidKind
	}
	namespace := or(ref.Namespace, r.namespace)
	if namespace != r.namespace && !inMesh && !c.granted(r, namespace, ref.Name) {
		return t, reasonNotPermitted
	}
	s := c.serviceByID[namespace+"/"+ref.Name]
	if s == nil {
		return t, reasonNotFound
	}
	port := portOf(s.spec, or(ref.Port, 0))
	if port == nil {
		return t, reasonNotFound
	}
	return targetOf(s, port, r.kind == "GRPCRoute")
}

// targetOf is a port of a Service as a target, or the reason why it is none.
func targetOf(s *object[kube.Service], port *kube.ServicePort, grpc bool) (t target, reason string) {
	t = target{service: s, port: port}
	switch {
	case port.Protocol == "UDP", port.AppProtocol == kube.WSS:
		return t, reasonProtocol
	case port.AppProtocol == kube.H2C || grpc:
		t.protocol = upstream.HTTP2
	}
	return t, reasonResolved
}

// granted tells whether a route may refer to a Service of another namespace.
func (c *Config) granted(r *routeObject, namespace, name string) bool {
	for _, g := range c.referenceGrants {
		if g.namespace == namespace && g.spec.allowsFrom(r) && g.spec.allowsTo(name) {
			return true
		}
	}
	return false
}

func (g *referenceGrantSpec) allowsFrom(r *routeObject) bool {
	for _, f := range g.From {
		if f.Group == apiGroup && f.Kind == r.kind && f.Namespace == r.namespace {
			return true
		}
	}
	return false
}

func (g *referenceGrantSpec) allowsTo(service string) bool {
	for _, t := range g.To {
		if t.Group == "" && t.Kind == "Service" && or(t.Name, service) == service {
			return true
		}
	}
	return false
}
