package gatewayapi

import (
	"slices"
	"strconv"
	"time"
)

// A routeObject is an HTTPRoute or GRPCRoute in the form in which they are carried out.
type routeObject struct {
	kind, namespace, name string
	source                string
	created               time.Time
	order                 int
	parents               []ParentRef
	hostnames             []string
	rules                 []rule
}

// A rule is one of a route, with defaults filled in.
type rule struct {
	id       string // its place in the route
	name     string
	source   string // of the route
	matches  []ranked
	filters  []Filter
	backends []BackendRef
	timeouts Timeouts
	retry    *Retry
	session  *SessionPersistence
	grpc     bool
	prefix   string // the prefix of paths that it matches, if that is all it matches by
}

func (r *routeObject) id() string { return r.namespace + "/" + r.name }

// routes are the routes of both kinds, the oldest first.
func (c *Config) routes() []*routeObject {
	var all []*routeObject
	for _, o := range c.HTTPRoutes {
		r := routeOf(o, o.Spec.ParentRefs, o.Spec.Hostnames)
		rules := o.Spec.Rules
		if len(rules) == 0 {
			rules = []HTTPRule{{}}
		}
		for i, h := range rules {
			one := rule{
				id: strconv.Itoa(i), name: h.Name, source: r.source, filters: h.Filters, backends: h.BackendRefs,
				timeouts: or(h.Timeouts, Timeouts{}), retry: h.Retry, session: h.SessionPersistence, prefix: prefixOf(h.Matches),
			}
			matches := h.Matches
			if len(matches) == 0 {
				matches = []HTTPMatch{{}}
			}
			for i := range matches {
				one.matches = append(one.matches, httpRanked(&matches[i]))
			}
			r.rules = append(r.rules, one)
		}
		all = append(all, r)
	}
	for _, o := range c.GRPCRoutes {
		r := routeOf(o, o.Spec.ParentRefs, o.Spec.Hostnames)
		rules := o.Spec.Rules
		if len(rules) == 0 {
			rules = []GRPCRule{{}}
		}
		for i, g := range rules {
			one := rule{id: strconv.Itoa(i), name: g.Name, source: r.source, filters: g.Filters, backends: g.BackendRefs, session: g.SessionPersistence, grpc: true}
			matches := g.Matches
			if len(matches) == 0 {
				matches = []GRPCMatch{{}}
			}
			for i := range matches {
				one.matches = append(one.matches, grpcRanked(&matches[i]))
			}
			r.rules = append(r.rules, one)
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b *routeObject) int {
		return older(a.created, b.created, a.order, b.order, a.id(), b.id())
	})
	return all
}

func routeOf[T any](o *Object[T], parents []ParentRef, hostnames []string) *routeObject {
	return &routeObject{
		kind: o.Kind, namespace: o.Namespace, name: o.Name, source: o.Source(),
		created: o.Created, order: o.Order, parents: parents, hostnames: hostnames,
	}
}

// prefixOf is the prefix that a rule matches by, which modifiers of the path
// replace.
func prefixOf(matches []HTTPMatch) string {
	if !onePrefix(matches) {
		return ""
	}
	if len(matches) == 0 || matches[0].Path == nil {
		return "/"
	}
	return or(matches[0].Path.Value, "/")
}
