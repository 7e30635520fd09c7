package build

import (
	"maps"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/match"
)

// matchOf is what an HTTPMatchRequest asks of a request itself. What it asks of
// the client, the port and the gateway was decided when the plan was made.
func matchOf(m *networking.HTTPMatchRequest) match.Request {
	q := match.Request{
		Method: valueOf(m.GetMethod()),
		Scheme: valueOf(m.GetScheme()),
		Host:   valueOf(m.GetAuthority()),
		Path:   valueOf(m.GetUri()),
	}
	if m.GetIgnoreUriCase() {
		// Envoy leaves regular expressions as they are.
		if _, regex := m.GetUri().GetMatchType().(*networking.StringMatch_Regex); !regex {
			q.Path = q.Path.Fold()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.GetHeaders())) {
		q.Headers = append(q.Headers, match.Field{Name: name, Value: presentOr(m.Headers[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(m.GetWithoutHeaders())) {
		q.Without = append(q.Without, match.Field{Name: name, Value: presentOr(m.WithoutHeaders[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(m.GetQueryParams())) {
		q.Query = append(q.Query, match.Field{Name: name, Value: presentOr(m.QueryParams[name])})
	}
	return q
}

// valueOf is a StringMatch for a part that every request has: without a matcher
// it accepts all.
func valueOf(m *networking.StringMatch) match.Value {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return match.Exact(t.Exact)
	case *networking.StringMatch_Prefix:
		return match.Prefix(t.Prefix)
	case *networking.StringMatch_Regex:
		return match.Regex(t.Regex)
	}
	return match.Value{}
}

// presentOr is a StringMatch for a part that may be missing: without a matcher,
// or with the regex "*" that is none, it asks for presence.
func presentOr(m *networking.StringMatch) match.Value {
	if t, ok := m.GetMatchType().(*networking.StringMatch_Regex); ok && t.Regex == "*" {
		return match.Present()
	}
	if v := valueOf(m); !v.IsZero() {
		return v
	}
	return match.Present()
}
