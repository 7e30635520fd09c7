package gatewayapi

import "github.com/sidecarless/mesh/upstream"

// headless is the ClusterIP of a Service that has none.
const headless = "None"

// port is the Service's port of that number, or nil.
func (s *Service) port(number int32) *ServicePort {
	for i := range s.Ports {
		if s.Ports[i].Port == number {
			return &s.Ports[i]
		}
	}
	return nil
}

// A target is a port of a Service, and how it is spoken to.
type target struct {
	service  *Object[*Service]
	port     *ServicePort
	protocol upstream.Protocol
}

// resolve finds the Service that a route refers to, or the reason why there is
// none. Within the mesh references to other namespaces need no grant.
func (c *Config) resolve(ref ObjectRef, r *routeObject, inMesh bool) (t target, reason string) {
	if or(ref.Kind, "Service") != "Service" || or(ref.Group, "") != "" {
		return t, reasonInvalidKind
	}
	namespace := or(ref.Namespace, r.namespace)
	if namespace != r.namespace && !inMesh && !c.granted(r, namespace, ref.Name) {
		return t, reasonNotPermitted
	}
	s := c.services[namespace+"/"+ref.Name]
	if s == nil {
		return t, reasonNotFound
	}
	port := s.Spec.port(or(ref.Port, 0))
	if port == nil {
		return t, reasonNotFound
	}
	return targetOf(s, port, r.kind == "GRPCRoute")
}

// targetOf is a port of a Service as a target, or the reason why it is none.
func targetOf(s *Object[*Service], port *ServicePort, grpc bool) (t target, reason string) {
	t = target{service: s, port: port}
	switch {
	case port.Protocol == "UDP", port.AppProtocol == "kubernetes.io/wss":
		return t, reasonProtocol
	case port.AppProtocol == "kubernetes.io/h2c" || grpc:
		t.protocol = upstream.HTTP2
	}
	return t, reasonResolved
}

// granted tells whether a route may refer to a Service of another namespace.
func (c *Config) granted(r *routeObject, namespace, name string) bool {
	for _, g := range c.ReferenceGrants {
		if g.Namespace == namespace && g.Spec.allowsFrom(r) && g.Spec.allowsTo(name) {
			return true
		}
	}
	return false
}

func (g *ReferenceGrantSpec) allowsFrom(r *routeObject) bool {
	for _, f := range g.From {
		if f.Group == apiGroup && f.Kind == r.kind && f.Namespace == r.namespace {
			return true
		}
	}
	return false
}

func (g *ReferenceGrantSpec) allowsTo(service string) bool {
	for _, t := range g.To {
		if t.Group == "" && t.Kind == "Service" && or(t.Name, service) == service {
			return true
		}
	}
	return false
}
