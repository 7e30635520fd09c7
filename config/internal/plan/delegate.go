package plan

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// A ruleSource is one HTTPRoute of a VirtualService with the resource and field
// it came from.
type ruleSource struct {
	route     *networking.HTTPRoute
	namespace string // in which its short names are meant
	source    string
}

// rulesOf are the HTTP rules of a VirtualService with each delegate's rules in
// the place of the rule that names it (Istio's MergeHTTPRoutes).
func (v *view) rulesOf(vs Object[*networking.VirtualService]) []ruleSource {
	var rules []ruleSource
	for i, route := range vs.Spec.Http {
		source := vs.at("http", i)
		if route.Delegate == nil {
			rules = append(rules, ruleSource{route, vs.Namespace, source})
			continue
		}
		namespace := route.Delegate.Namespace
		if namespace == "" {
			namespace = vs.Namespace
		}
		for _, d := range v.VirtualServices {
			if d.Name != route.Delegate.Name || d.Namespace != namespace || len(d.Spec.Hosts) > 0 ||
				!exportedTo(d.Spec.ExportTo, d.Namespace, vs.Namespace) {
				continue
			}
			for j, inner := range d.Spec.Http {
				if merged := mergeRoute(route, inner); merged != nil {
					rules = append(rules, ruleSource{merged, d.Namespace, d.at("http", j)})
				}
			}
			break
		}
	}
	return rules
}

// mergeRoute is the delegate's rule with what the root's adds, or nil when no
// match of the delegate lies within one of the root.
func mergeRoute(root, delegate *networking.HTTPRoute) *networking.HTTPRoute {
	m := proto.Clone(delegate).(*networking.HTTPRoute)
	if len(root.Match) > 0 {
		if m.Match = mergeMatches(root.Match, delegate.Match); len(m.Match) == 0 {
			return nil
		}
	}
	m.Name = joinNames(root.Name, delegate.Name)
	if m.Rewrite == nil {
		m.Rewrite = root.Rewrite
	}
	if m.DirectResponse == nil {
		m.DirectResponse = root.DirectResponse
	}
	if m.Timeout == nil {
		m.Timeout = root.Timeout
	}
	if m.Retries == nil {
		m.Retries = root.Retries
	}
	if m.Fault == nil {
		m.Fault = root.Fault
	}
	if m.Mirror == nil {
		m.Mirror = root.Mirror
	}
	if m.Mirrors == nil {
		m.Mirrors = root.Mirrors
	}
	if m.MirrorPercent == nil { //nolint:staticcheck // the old field is still read
		m.MirrorPercent = root.MirrorPercent //nolint:staticcheck
	}
	if m.MirrorPercentage == nil {
		m.MirrorPercentage = root.MirrorPercentage
	}
	if m.CorsPolicy == nil {
		m.CorsPolicy = root.CorsPolicy
	}
	if m.Headers == nil {
		m.Headers = root.Headers
	}
	return m
}

func joinNames(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "-" + b
}

// mergeMatches are the delegate's matches that lie within one of the root, each
// narrowed by it.
func mergeMatches(root, delegate []*networking.HTTPMatchRequest) []*networking.HTTPMatchRequest {
	if len(delegate) == 0 {
		return root
	}
	var merged []*networking.HTTPMatchRequest
	for _, r := range root {
		for _, d := range delegate {
			if within(r, d) {
				merged = append(merged, mergeMatch(r, d))
			}
		}
	}
	return merged
}

func mergeMatch(root, delegate *networking.HTTPMatchRequest) *networking.HTTPMatchRequest {
	m := proto.Clone(delegate).(*networking.HTTPMatchRequest)
	m.Name = joinNames(root.Name, delegate.Name)
	if m.Uri == nil {
		m.Uri = root.Uri
	}
	if m.Scheme == nil {
		m.Scheme = root.Scheme
	}
	if m.Method == nil {
		m.Method = root.Method
	}
	if m.Authority == nil {
		m.Authority = root.Authority
	}
	m.Headers = union(root.Headers, m.Headers)
	m.WithoutHeaders = union(root.WithoutHeaders, m.WithoutHeaders)
	m.QueryParams = union(root.QueryParams, m.QueryParams)
	m.SourceLabels = union(root.SourceLabels, m.SourceLabels)
	if m.Port == 0 {
		m.Port = root.Port
	}
	if len(m.Gateways) == 0 {
		m.Gateways = root.Gateways
	}
	if m.SourceNamespace == "" {
		m.SourceNamespace = root.SourceNamespace
	}
	if m.StatPrefix == "" {
		m.StatPrefix = root.StatPrefix
	}
	return m
}

// union is b with the entries of a whose keys it lacks.
func union[V any](a, b map[string]V) map[string]V {
	if len(a) == 0 {
		return b
	}
	all := make(map[string]V, len(a)+len(b))
	for k, v := range a {
		all[k] = v
	}
	for k, v := range b {
		all[k] = v
	}
	return all
}

// within reports whether everything that a delegate's match allows is allowed by
// the root's, as far as Istio can tell.
func within(root, delegate *networking.HTTPMatchRequest) bool {
	for _, pair := range [...][2]*networking.StringMatch{
		{root.Uri, delegate.Uri}, {root.Scheme, delegate.Scheme},
		{root.Method, delegate.Method}, {root.Authority, delegate.Authority},
	} {
		if !stringWithin(pair[0], pair[1]) {
			return false
		}
	}
	for _, pair := range [...][2]map[string]*networking.StringMatch{
		{root.Headers, delegate.Headers}, {root.WithoutHeaders, delegate.WithoutHeaders}, {root.QueryParams, delegate.QueryParams},
	} {
		for name, m := range pair[0] {
			if other, both := pair[1][name]; both && !stringWithin(m, other) {
				return false
			}
		}
	}
	for k, want := range root.SourceLabels {
		if have, both := delegate.SourceLabels[k]; both && have != want {
			return false
		}
	}
	if root.IgnoreUriCase != delegate.IgnoreUriCase ||
		root.Port != 0 && delegate.Port != 0 && root.Port != delegate.Port ||
		root.SourceNamespace != "" && root.SourceNamespace != delegate.SourceNamespace {
		return false
	}
	if len(root.Gateways) > 0 && len(delegate.Gateways) > 0 {
		for _, g := range delegate.Gateways {
			if !slices.Contains(root.Gateways, g) {
				return false
			}
		}
	}
	return true
}

// stringWithin is [within] for one value. Of a regex nothing can be told, and a
// test of presence lies within nothing but no test at all.
func stringWithin(root, delegate *networking.StringMatch) bool {
	if root == nil || delegate == nil {
		return true
	}
	switch r := root.MatchType.(type) {
	case *networking.StringMatch_Exact:
		d, ok := delegate.MatchType.(*networking.StringMatch_Exact)
		return ok && d.Exact == r.Exact
	case *networking.StringMatch_Prefix:
		switch d := delegate.MatchType.(type) {
		case *networking.StringMatch_Exact:
			return strings.HasPrefix(d.Exact, r.Prefix)
		case *networking.StringMatch_Prefix:
			return strings.HasPrefix(d.Prefix, r.Prefix)
		}
	}
	return false
}
