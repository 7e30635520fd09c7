package gatewayapi

import "fmt"

// A Condition is the status of a route at one of its parents, as a cluster would
// show it.
type Condition struct {
	Route  string // as "HTTPRoute namespace/name"
	Parent string // as namespace/name
	Type   string // Accepted or ResolvedRefs
	Status bool
	Reason string // in the words of the API

	source string // of the route
	parent string // in words
}

func (c *Condition) words() string {
	if c.Type == "Accepted" {
		return fmt.Sprintf("is not attached to %s: %s", c.parent, c.Reason)
	}
	return fmt.Sprintf("has a backend to which requests cannot be sent, and which answers with 500: %s", c.Reason)
}

// Conditions are the status of all routes at all their parents.
func (c *Config) Conditions() []Condition {
	var all []Condition
	for _, r := range c.routes() {
		for _, ref := range r.parents {
			if !ref.isOurs() {
				continue
			}
			var reason string
			if ref.isMesh() {
				_, reason = c.attachMesh(r, ref)
			} else {
				_, reason = c.attach(r, ref)
			}
			base := Condition{
				Route: r.kind + " " + r.id(), Parent: or(ref.Namespace, r.namespace) + "/" + ref.Name,
				source: r.source(), parent: ref.words(r.namespace),
			}
			a, b := base, base
			a.Type, a.Status, a.Reason = "Accepted", reason == reasonAccepted, reason
			b.Type, b.Reason = "ResolvedRefs", c.resolveAll(r, ref.isMesh())
			b.Status = b.Reason == reasonResolved
			all = append(all, a, b)
		}
	}
	return all
}

// resolveAll is the first reason why a reference of the route is not resolved.
func (c *Config) resolveAll(r *routeObject, inMesh bool) string {
	reason := reasonResolved
	try := func(ref objectRef) {
		if reason == reasonResolved {
			_, reason = c.resolve(ref, r, inMesh)
		}
	}
	for _, rule := range r.rules {
		for i := range rule.backends {
			try(rule.backends[i].object())
			for _, f := range rule.backends[i].Filters {
				if f.RequestMirror != nil {
					try(f.RequestMirror.BackendRef)
				}
			}
		}
		for _, f := range rule.filters {
			if f.RequestMirror != nil {
				try(f.RequestMirror.BackendRef)
			}
		}
	}
	return reason
}
