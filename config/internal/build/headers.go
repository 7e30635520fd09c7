package build

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/rewrite"
)

// A change is what a rule or a destination does to headers.
type change struct {
	rewrite.Headers
	host string // for requests: the host that it sets; empty for none
}

func changeOf(o *networking.Headers_HeaderOperations) change {
	c := change{Headers: rewrite.Headers{Set: http.Header{}, Add: http.Header{}, Remove: o.GetRemove()}}
	lists := func(to http.Header, m map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if isAuthority(name) {
				c.host = m[name]
			} else {
				to[http.CanonicalHeaderKey(name)] = []string{m[name]}
			}
		}
	}
	lists(c.Add, o.GetAdd())
	lists(c.Set, o.GetSet())
	return c
}

// and is c and a later change in one: both remove, then both set, where the later
// one wins, then both add.
func (c change) and(later change) change {
	one := change{host: cmp.Or(c.host, later.host), Headers: rewrite.Headers{
		Set: maps.Clone(c.Set), Add: maps.Clone(c.Add), Remove: slices.Concat(c.Remove, later.Remove),
	}}
	for name, value := range later.Set {
		if value[0] != "" {
			one.Set[name] = value
		}
	}
	for name, value := range later.Add {
		one.Add[name] = slices.Concat(one.Add[name], value)
	}
	return one
}

func (c change) levels() []rewrite.Headers {
	if len(c.Set)+len(c.Add)+len(c.Remove) == 0 {
		return nil
	}
	return []rewrite.Headers{c.Headers}
}

// onlyOne reports whether a rule names one destination. What that says of headers is
// then one with what the rule says. Of several destinations the chosen one makes its
// changes before the rule does, even where the others have no weight.
func onlyOne(rule *plan.Rule) bool { return len(rule.Route.GetRoute()) <= 1 }

// rewriteOf is what a rule makes of requests on their way to a destination.
func (u *update) rewriteOf(rule *plan.Rule, d *plan.Destination) ([]layer, error) {
	own, ofRule := changeOf(d.Headers.GetRequest()), changeOf(rule.Route.GetHeaders().GetRequest())
	var first rewrite.Config
	if onlyOne(rule) {
		ofRule = ofRule.and(own)
	} else {
		first.Request, first.Host = own.levels(), own.host
	}
	c := rewrite.Config{Originals: u.mesh.options.ProxyHeaders, Request: ofRule.levels(), Host: ofRule.host}
	if r := rule.Route.GetRewrite(); r != nil {
		c.Host = cmp.Or(r.Authority, c.Host)
		if r.Uri != "" {
			c.Prefix, c.Path = matchedPrefix(rule.Match), r.Uri
		}
		if regex := r.UriRegexRewrite; regex != nil {
			c.Regex, c.Substitute = regex.Match, regex.Rewrite
		}
	}
	var layers []layer
	for _, c := range [...]rewrite.Config{first, c} {
		if len(c.Request) == 0 && c.Host == "" && c.Path == "" && c.Regex == "" {
			continue
		}
		w, err := rewrite.New(c)
		if err != nil {
			return nil, err
		}
		layers = append(layers, w.Transport)
	}
	return layers, nil
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

func isAuthority(name string) bool {
	return http.CanonicalHeaderKey(name) == "Host" || name == ":authority"
}

// answers is what a rule makes of answers, its own and those of servers; with a
// single destination also what belongs to that.
func answers(rule *plan.Rule) (layer, error) {
	c := changeOf(rule.Route.GetHeaders().GetResponse())
	if onlyOne(rule) && len(rule.Destinations) == 1 {
		c = c.and(changeOf(rule.Destinations[0].Headers.GetResponse()))
	}
	return answerLayer(c, rule)
}

// branchAnswers is what one of several destinations makes of its answers.
func branchAnswers(rule *plan.Rule, d *plan.Destination) (layer, error) {
	if onlyOne(rule) {
		return nil, nil
	}
	return answerLayer(changeOf(d.Headers.GetResponse()), rule)
}

func answerLayer(c change, rule *plan.Rule) (layer, error) {
	list := c.levels()
	if list == nil {
		return nil, nil
	}
	w, err := rewrite.New(rewrite.Config{Response: list})
	if err != nil {
		return nil, err
	}
	isType := func(name string) bool { return http.CanonicalHeaderKey(name) == contentType }
	if c.Set[contentType] == nil && c.Add[contentType] == nil && !slices.ContainsFunc(c.Remove, isType) {
		return w.Transport, nil
	}
	own := rule.Route.GetRedirect() != nil || rule.Route.GetDirectResponse() != nil
	return mesh.Chain(typing{own, true}.layer, w.Transport, typing{own, false}.layer), nil
}

const contentType = "Content-Type"

// typing is around a rule's changes and inside of them. It gives replies that are not a
// server's their type after the changes: text where the rule has said nothing, none
// without a body, and gRPC's to gRPC.
type typing struct {
	all   bool // none of the replies is a server's
	after bool // the changes, and not before
}

func (t typing) layer(next http.RoundTripper) http.RoundTripper { return typed{t, next} }

type typed struct {
	typing
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t typed) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil || !t.all && mesh.ErrorOf(res) == nil {
		return res, err
	}
	switch {
	case !t.after:
		delete(res.Header, contentType)
	case grpc.Is(r.Header):
		res.Header[contentType] = []string{"application/grpc"}
	case res.ContentLength == 0:
		delete(res.Header, contentType)
	case res.Header[contentType] == nil:
		res.Header[contentType] = []string{"text/plain"}
	}
	return res, nil
}
