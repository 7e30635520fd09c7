package istio

import (
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// unreachable warns of rules that no request can reach, and of matches that
// earlier ones cover, as far as Istio's own check sees them: equal matches, and
// prefixes that begin with an earlier prefix.
func (c *checker) unreachable(vs *networking.VirtualService) {
	p := manifest.Top("spec")
	http := make([]ruleOf, len(vs.Http))
	for i, r := range vs.Http {
		http[i] = ruleOf{name: named(r.Name, i)}
		for j, m := range r.Match {
			http[i].matches = append(http[i].matches, matchOf{named(m.Name, j), fingerprint(m, true)})
		}
	}
	kept := c.unreachableRules(p.Field("http"), http)
	c.coveredPrefixes(p.Field("http"), vs.Http, kept)

	tls := make([]ruleOf, len(vs.Tls))
	for i, r := range vs.Tls {
		tls[i] = ruleOf{name: named("", i)}
		for j, m := range r.Match {
			tls[i].matches = append(tls[i].matches, matchOf{named("", j), fingerprint(m, false)})
		}
	}
	c.unreachableRules(p.Field("tls"), tls)

	tcp := make([]ruleOf, len(vs.Tcp))
	for i, r := range vs.Tcp {
		tcp[i] = ruleOf{name: named("", i)}
		for j, m := range r.Match {
			tcp[i].matches = append(tcp[i].matches, matchOf{named("", j), fingerprint(m, false)})
		}
	}
	c.unreachableRules(p.Field("tcp"), tcp)
}

// A ruleOf is a rule of any sort as far as this check looks at it.
type ruleOf struct {
	name    string
	matches []matchOf
}

// A matchOf has a fingerprint that is equal for matches that say the same.
type matchOf struct{ name, fingerprint string }

// fingerprint is a match in bytes, the name of an HTTP match left out.
func fingerprint(m proto.Message, nameless bool) string {
	if nameless {
		if http := m.(*networking.HTTPMatchRequest); http.Name != "" {
			m = proto.Clone(m)
			m.(*networking.HTTPMatchRequest).Name = ""
		}
	}
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return string(b)
}

// A place is a rule and a match in it.
type place struct{ rule, match int }

// unreachableRules warns of rules behind one without matches and of repeated
// matches. It returns the matches that are left.
func (c *checker) unreachableRules(p *manifest.Path, rules []ruleOf) []place {
	var kept []place
	first := map[string]int{}
	open := -1 // the last rule without matches
	for i, r := range rules {
		if len(r.matches) == 0 {
			if open >= 0 {
				c.add(CodeUnreachable, Warning, p.At(i), nil, "rule %s is never reached: rule %s before it has no match, so it takes every request", r.name, rules[open].name)
			}
			open = i
			continue
		}
		repeated := 0
		for j, m := range r.matches {
			if open >= 0 {
				c.add(CodeUnreachable, Warning, p.At(i), nil, "rule %s is never reached: rule %s before it has no match, so it takes every request", r.name, rules[open].name)
				continue
			}
			if earlier, seen := first[m.fingerprint]; seen {
				c.add(CodeIneffective, Info, p.At(i).Field("match").At(j), nil, "match %s of rule %s stands in rule %s already", m.name, r.name, rules[earlier].name)
				repeated++
				continue
			}
			first[m.fingerprint] = i
			kept = append(kept, place{i, j})
		}
		if repeated == len(r.matches) {
			c.add(CodeUnreachable, Warning, p.At(i), nil, "rule %s is never reached: rules before it have all its matches", r.name)
		}
	}
	return kept
}

// coveredPrefixes warns of prefixes that begin with an earlier one, where the
// rest of the match is as narrow.
func (c *checker) coveredPrefixes(p *manifest.Path, rules []*networking.HTTPRoute, kept []place) {
	var prefixes []place
	for _, at := range kept {
		if rules[at.rule].Match[at.match].GetUri().GetPrefix() != "" {
			prefixes = append(prefixes, at)
		}
	}
	for i, a := range prefixes {
		earlier := rules[a.rule].Match[a.match]
		for _, b := range prefixes[i+1:] {
			later := rules[b.rule].Match[b.match]
			if earlier.Uri.GetPrefix() != later.Uri.GetPrefix() && covers(earlier, later) {
				c.add(CodeIneffective, Info, p.At(b.rule).Field("match").At(b.match), nil,
					"match %s of rule %s, with the prefix %s, is covered by match %s of rule %s with the prefix %s",
					named(later.Name, b.match), named(rules[b.rule].Name, b.rule), later.Uri.GetPrefix(),
					named(earlier.Name, a.match), named(rules[a.rule].Name, a.rule), earlier.Uri.GetPrefix())
			}
		}
	}
}

// covers tells whether a prefix match covers a later one in the eyes of
// Istio's check. Its comparison of the other conditions is by the beginning of
// their text, and a match of any method counts as one of GET.
func covers(earlier, later *networking.HTTPMatchRequest) bool {
	method := func(m *networking.HTTPMatchRequest) string {
		if s := conditionOf(m.Method); s != "" {
			return s
		}
		return "exact:GET"
	}
	return strings.HasPrefix(later.Uri.GetPrefix(), earlier.Uri.GetPrefix()) &&
		later.Port == earlier.Port &&
		strings.HasPrefix(method(earlier), method(later)) &&
		strings.HasPrefix(conditionOf(earlier.Authority), conditionOf(later.Authority)) &&
		coversAll(earlier.Headers, later.Headers) &&
		coversAll(earlier.QueryParams, later.QueryParams) &&
		coversAll(earlier.WithoutHeaders, later.WithoutHeaders)
}

func coversAll(earlier, later map[string]*networking.StringMatch) bool {
	if len(earlier) != len(later) {
		return false
	}
	for name := range earlier {
		other, ok := later[name]
		if !ok || !strings.HasPrefix(conditionOf(earlier[name]), conditionOf(other)) {
			return false
		}
	}
	return true
}

// conditionOf is the text that conditions are compared by; a regular expression
// has none.
func conditionOf(m *networking.StringMatch) string {
	if s := m.GetExact(); s != "" {
		return "exact:" + s
	}
	if s := m.GetPrefix(); s != "" {
		return "prefix:" + s
	}
	return ""
}
