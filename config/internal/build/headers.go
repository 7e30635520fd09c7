package build

import (
	"net/http"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/rewrite"
)

// levelOf is one level of changes of headers.
func levelOf(o *networking.Headers_HeaderOperations) (level rewrite.Headers, any bool) {
	if o == nil || len(o.Set)+len(o.Add)+len(o.Remove) == 0 {
		return level, false
	}
	lists := func(m map[string]string) http.Header {
		h := make(http.Header, len(m))
		for name, value := range m {
			h[name] = []string{value}
		}
		return h
	}
	return rewrite.Headers{Set: lists(o.Set), Add: lists(o.Add), Remove: o.Remove}, true
}

// levels are the changes of a rule and of one of its destinations in the order in
// which Envoy makes them: the rule's first when it has a single destination, and
// the destination's first when it has several.
func levels(rule *plan.Rule, d *plan.Destination, part func(*networking.Headers) *networking.Headers_HeaderOperations) []rewrite.Headers {
	var list []rewrite.Headers
	first, second := part(rule.Route.GetHeaders()), part(d.Headers)
	if len(rule.Destinations) > 1 {
		first, second = second, first
	}
	for _, o := range []*networking.Headers_HeaderOperations{first, second} {
		if level, any := levelOf(o); any {
			list = append(list, level)
		}
	}
	return list
}

func requestPart(h *networking.Headers) *networking.Headers_HeaderOperations  { return h.GetRequest() }
func responsePart(h *networking.Headers) *networking.Headers_HeaderOperations { return h.GetResponse() }

// rewriteOf is what a rule makes of requests on their way to a destination, nil
// for a copy that goes to none of them.
func (u *update) rewriteOf(rule *plan.Rule, d *plan.Destination) (layer, error) {
	c := rewrite.Config{Originals: u.mesh.options.ProxyHeaders}
	if d != nil {
		c.Request = levels(rule, d, requestPart)
	} else if level, any := levelOf(rule.Route.GetHeaders().GetRequest()); any {
		c.Request = []rewrite.Headers{level}
	}
	if r := rule.Route.GetRewrite(); r != nil {
		c.Host = r.Authority
		c.Prefix, c.Path = matchedPrefix(rule.Match), r.Uri
		if c.Path == "" {
			c.Prefix = ""
		}
		if regex := r.UriRegexRewrite; regex != nil {
			c.Regex, c.Substitute = regex.Match, regex.Rewrite
		}
	}
	if c.Host == "" {
		c.Host = authorityOf(c.Request)
	}
	withoutAuthority(c.Request)
	if len(c.Request) == 0 && c.Host == "" && c.Path == "" && c.Regex == "" {
		return nil, nil
	}
	w, err := rewrite.New(c)
	if err != nil {
		return nil, err
	}
	return w.Transport, nil
}

// matchedPrefix is the part of the path that a rewrite replaces: the prefix that
// matched, all of it for other matches, and "/" where no path was asked for.
func matchedPrefix(m *networking.HTTPMatchRequest) string {
	switch uri := m.GetUri().GetMatchType().(type) {
	case *networking.StringMatch_Prefix:
		return uri.Prefix
	case nil:
		return "/"
	}
	return ""
}

// authorityOf is the host that header operations set; the rule's, if it does,
// before a destination's.
func authorityOf(levels []rewrite.Headers) string {
	for _, l := range levels {
		for _, h := range []http.Header{l.Set, l.Add} {
			for name, v := range h {
				if isAuthority(name) {
					return v[0]
				}
			}
		}
	}
	return ""
}

func withoutAuthority(levels []rewrite.Headers) {
	for _, l := range levels {
		for _, h := range []http.Header{l.Set, l.Add} {
			for name := range h {
				if isAuthority(name) {
					delete(h, name)
				}
			}
		}
	}
}

func isAuthority(name string) bool {
	return http.CanonicalHeaderKey(name) == "Host" || name == ":authority"
}

// answers is what a rule makes of answers, its own and those of servers; with a
// single destination also what belongs to that.
func answers(rule *plan.Rule) (layer, error) {
	var list []rewrite.Headers
	if len(rule.Destinations) == 1 {
		list = levels(rule, &rule.Destinations[0], responsePart)
	} else if level, any := levelOf(rule.Route.GetHeaders().GetResponse()); any {
		list = append(list, level)
	}
	return answerLayer(list)
}

// branchAnswers is what one of several destinations makes of its answers.
func branchAnswers(rule *plan.Rule, d *plan.Destination) (layer, error) {
	level, any := levelOf(d.Headers.GetResponse())
	if !any || len(rule.Destinations) == 1 {
		return nil, nil
	}
	return answerLayer([]rewrite.Headers{level})
}

func answerLayer(list []rewrite.Headers) (layer, error) {
	if len(list) == 0 {
		return nil, nil
	}
	w, err := rewrite.New(rewrite.Config{Response: list})
	if err != nil {
		return nil, err
	}
	return w.Transport, nil
}
