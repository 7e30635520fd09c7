package plan

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// A Place is a resource or a part of it. Lines are looked up when asked, since
// that reads the document again.
type Place struct {
	resource string                    // file, line, kind and name
	line     func(field string) string // the same for a field; may be nil
	field    string                    // such as spec.http[2]; empty is the resource

	// Fields that were taken over from another place, and that place. A delegate's
	// rule has some from the rule that names it.
	inherited []string
	from      *Place
}

// String is the place as messages begin with it.
func (p Place) String() string { return p.Of("") }

// Of is the place of a field below p, such as "retries.attempts".
func (p Place) Of(field string) string {
	if top, _, _ := strings.Cut(field, "."); slices.Contains(p.inherited, strings.TrimRight(top, "[]0123456789")) {
		return p.from.Of(field)
	}
	switch {
	case p.field == "":
		field = "spec." + field
	case field == "":
		field = p.field
	default:
		field = p.field + "." + field
	}
	if p.line == nil || field == "spec." {
		return p.resource
	}
	return p.line(field)
}

// place is that of a field in the object's spec, "" for the object.
func (o Object[T]) place(field string) Place {
	return Place{resource: o.Source, line: o.Line, field: field}
}

// At is where a field stands, such as "spec.rules[1]", or else the object.
func (o Object[T]) At(field string) string {
	if o.Line == nil {
		return o.Source
	}
	return o.Line(field)
}

// element is the place of element i of a list in the object's spec.
func (o Object[T]) element(list string, i int) Place {
	return o.place(fmt.Sprintf("spec.%s[%d]", list, i))
}

// PlaceOf is where a block of p, such as p.LoadBalancer, was written, and false if
// that is no DestinationRule.
func (p Policy) PlaceOf(block any) (Place, bool) {
	for _, r := range p.written {
		policies := []struct {
			policy *networking.TrafficPolicy
			field  string
		}{{r.Spec.TrafficPolicy, "spec.trafficPolicy"}}
		for i, s := range r.Spec.Subsets {
			policies = append(policies, struct {
				policy *networking.TrafficPolicy
				field  string
			}{s.TrafficPolicy, fmt.Sprintf("spec.subsets[%d].trafficPolicy", i)})
		}
		for _, at := range policies {
			if name := blockIn(at.policy, block); name != "" {
				return r.place(at.field + "." + name), true
			}
		}
	}
	return Place{}, false
}

// blockIn is the name of a block in a policy, empty if it is not in it.
func blockIn(t *networking.TrafficPolicy, block any) string {
	if t == nil {
		return ""
	}
	if name := namedBlock(block, t.LoadBalancer, t.ConnectionPool, t.OutlierDetection, t.Tls, t.RetryBudget); name != "" {
		return name
	}
	for i, e := range t.PortLevelSettings {
		if name := namedBlock(block, e.LoadBalancer, e.ConnectionPool, e.OutlierDetection, e.Tls, nil); name != "" {
			return fmt.Sprintf("portLevelSettings[%d].%s", i, name)
		}
	}
	return ""
}

func namedBlock(
	block any, balancer *networking.LoadBalancerSettings, pool *networking.ConnectionPoolSettings,
	outlier *networking.OutlierDetection, tls *networking.ClientTLSSettings, budget *networking.TrafficPolicy_RetryBudget,
) string {
	switch {
	case block == any(balancer) && balancer != nil:
		return "loadBalancer"
	case block == any(pool) && pool != nil:
		return "connectionPool"
	case block == any(outlier) && outlier != nil:
		return "outlierDetection"
	case block == any(tls) && tls != nil:
		return "tls"
	case block == any(budget) && budget != nil:
		return "retryBudget"
	}
	return ""
}
