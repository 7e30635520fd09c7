package gatewayapi

import (
	"slices"
	"strconv"
)

// A routeObject is an HTTPRoute or GRPCRoute in the form in which they are carried out.
type routeObject struct {
	*resource
	parents   []parentRef
	hostnames []string
	rules     []rule
}

// A rule is one of a route, with defaults filled in.
type rule struct {
	id       string // its place in the route
	name     string
	matches  []ranked
	filters  []filter
	backends []backendRef
	timeouts timeouts
	retry    *retrySpec
	session  *sessionPersistence
	grpc     bool
	prefix   string // the prefix of paths that it matches, if that is all it matches by
}

// routes are the routes of both kinds, the oldest first.
func (c *Config) routes() []*routeObject {
	var all []*routeObject
	for _, o := range c.httpRoutes {
		all = append(all, routeOf(o, func(r httpRule) rule {
			return rule{
				name: r.Name, matches: rankedBy(httpRanked, r.Matches), filters: r.Filters, backends: r.BackendRefs,
				timeouts: or(r.Timeouts, timeouts{}), retry: r.Retry, session: r.SessionPersistence, prefix: prefixOf(r.Matches),
			}
		}))
	}
	for _, o := range c.grpcRoutes {
		all = append(all, routeOf(o, func(r grpcRule) rule {
			return rule{
				name: r.Name, matches: rankedBy(grpcRanked, r.Matches), filters: r.Filters, backends: r.BackendRefs,
				session: r.SessionPersistence, grpc: true,
			}
		}))
	}
	slices.SortStableFunc(all, func(a, b *routeObject) int { return a.compareAge(b.resource) })
	return all
}

// routeOf makes a route of an object and its rules. Without rules it has one for all
// requests.
func routeOf[Rule any](o *object[routeSpec[Rule]], ruleOf func(Rule) rule) *routeObject {
	r := &routeObject{resource: o.resource, parents: o.spec.ParentRefs, hostnames: o.spec.Hostnames}
	for i, one := range orOne(o.spec.Rules) {
		rule := ruleOf(one)
		rule.id = strconv.Itoa(i)
		r.rules = append(r.rules, rule)
	}
	return r
}

// rankedBy are the matches of a rule; without any there is one for all requests.
func rankedBy[Match any](rank func(*Match) ranked, matches []Match) []ranked {
	var all []ranked
	for _, m := range orOne(matches) {
		all = append(all, rank(&m))
	}
	return all
}

// orOne is a list, or one entry without fields where it is empty.
func orOne[T any](list []T) []T {
	if len(list) == 0 {
		return make([]T, 1)
	}
	return list
}

// prefixOf is the prefix that a rule matches by, which modifiers of the path
// replace.
func prefixOf(matches []httpMatch) string {
	if !onePrefix(matches) {
		return ""
	}
	if len(matches) == 0 || matches[0].Path == nil {
		return "/"
	}
	return or(matches[0].Path.Value, "/")
}
