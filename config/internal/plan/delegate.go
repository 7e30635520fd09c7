package plan

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"
)

// A ruleSource is one HTTPRoute of a VirtualService with the resource and field
// it came from.
type ruleSource struct {
	route *networking.HTTPRoute
	place Place
}

// rulesOf are the HTTP rules of a VirtualService with each delegate's rules in
// the place of the rule that names it (Istio's MergeHTTPRoutes). A rule whose
// delegate is not there, or not exported to the root's namespace, is left out.
func (v *view) rulesOf(vs Object[*networking.VirtualService]) []ruleSource {
	var rules []ruleSource
	for i, route := range vs.Spec.Http {
		if route.Delegate == nil {
			rules = append(rules, ruleSource{route, vs.element("http", i)})
			continue
		}
		delegate := v.delegate(route.Delegate, vs.Namespace)
		if delegate == nil {
			continue
		}
		for j, inner := range delegate.Spec.Http {
			if merged, inherited := mergeRoute(route, inner); merged != nil {
				place, root := delegate.element("http", j), vs.element("http", i)
				place.inherited, place.from = inherited, &root
				rules = append(rules, ruleSource{merged, place})
			}
		}
	}
	return rules
}

// delegate is the VirtualService without hosts that a rule in namespace from
// refers to, or nil.
func (v *view) delegate(ref *networking.Delegate, from string) *Object[*networking.VirtualService] {
	namespace := cmp.Or(ref.Namespace, from)
	i := slices.IndexFunc(v.virtualServices, func(d Object[*networking.VirtualService]) bool {
		return d.Name == ref.Name && d.Namespace == namespace && len(d.Spec.Hosts) == 0
	})
	if i < 0 {
		return nil
	}
	d := &v.virtualServices[i]
	if !exportedTo(exports(d.Spec.ExportTo, v.Mesh.GetDefaultVirtualServiceExportTo()), d.Namespace, from) {
		return nil
	}
	return d
}

// mergeRoute is the delegate's rule with what the root's adds, and the names of what
// that is. It is nil when a match of the delegate lies within none of the root's.
func mergeRoute(root, delegate *networking.HTTPRoute) (m *networking.HTTPRoute, inherited []string) {
	matches, ok := mergeMatches(root.Match, delegate.Match)
	if !ok {
		return nil, nil
	}
	m = proto.Clone(delegate).(*networking.HTTPRoute)
	m.Match = matches
	m.Name = joinNames(root.Name, delegate.Name)
	to, from := m.ProtoReflect(), root.ProtoReflect()
	for _, name := range [...]protoreflect.Name{
		"rewrite", "direct_response", "timeout", "retries", "fault", "mirror", "mirrors", "mirror_percent", "mirror_percentage", "cors_policy", "headers",
	} {
		field := to.Descriptor().Fields().ByName(name)
		if !to.Has(field) && from.Has(field) {
			to.Set(field, from.Get(field))
			inherited = append(inherited, field.JSONName())
		}
	}
	return m, inherited
}

func joinNames(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "-" + b
}

// mergeMatches are the delegate's matches, each narrowed by those of the root
// that it lies within. It is not ok for one to lie within none.
func mergeMatches(root, delegate []*networking.HTTPMatchRequest) (merged []*networking.HTTPMatchRequest, ok bool) {
	switch {
	case len(root) == 0:
		return delegate, true
	case len(delegate) == 0:
		return root, true
	}
	for _, d := range delegate {
		found := false
		for _, r := range root {
			if within(r, d) {
				merged, found = append(merged, mergeMatch(r, d)), true
			}
		}
		if !found {
			return nil, false
		}
	}
	return merged, true
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
// test of presence, or of an empty value, lies within nothing but no test at all.
func stringWithin(root, delegate *networking.StringMatch) bool {
	if root == nil || delegate == nil {
		return true
	}
	switch r := root.MatchType.(type) {
	case *networking.StringMatch_Exact:
		return r.Exact != "" && delegate.GetExact() == r.Exact
	case *networking.StringMatch_Prefix:
		return r.Prefix != "" && strings.HasPrefix(delegate.GetExact()+delegate.GetPrefix(), r.Prefix)
	}
	return false
}
