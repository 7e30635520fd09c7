package istio

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"sync/atomic"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/upstream"
)

// Console is the client for a console, which also wants to be told of requests:
//
//	page, err := console.New(console.Config{})
//	...
//	client, err := istio.NewClient(config, istio.ClientConfig{Sinks: []access.Sink{page.Sink}})
//	...
//	page.Add(client.Console())
//
// See also [Watcher.Console].
func (c *Client) Console() console.Source {
	s := shown{mesh: c.mesh}
	return s.source(func(r *http.Request) any { return c.Explain(r) })
}

// Console is the gateway for a console, as [Client.Console] is.
func (g *Gateway) Console() console.Source {
	s := shown{mesh: g.mesh}
	explaining := Client{mesh: g.mesh}
	return s.source(func(r *http.Request) any { return explaining.Explain(r) })
}

// shown is a mesh on a console. What takes time is worked out once for each
// update.
type shown struct {
	mesh  *build.Mesh
	rules atomic.Pointer[shownRules]
	reads atomic.Pointer[shownReads]
}

type shownRules struct {
	world *plan.World
	console.Configuration
}

type shownReads struct {
	world *plan.World
	console.Reads
}

func (s *shown) source(explain func(*http.Request) any) console.Source {
	return console.Source{
		Upstreams:     func() []*upstream.Upstream { return slices.Collect(s.mesh.Upstreams()) },
		Configuration: s.configuration,
		Explain:       explain,
		Reads:         s.choose,
	}
}

// configuration is the rules in force.
func (s *shown) configuration() *console.Configuration {
	w := s.mesh.World()
	if last := s.rules.Load(); last != nil && last.world == w {
		return &last.Configuration
	}
	next := &shownRules{world: w}
	routes, err := s.mesh.Routes(w)
	if err != nil {
		return nil // cannot be: it is in force
	}
	for _, r := range routes {
		next.Rules = append(next.Rules, shownRule(r))
	}
	s.rules.Store(next)
	return &next.Configuration
}

// shownRule is a rule for people.
func shownRule(r build.Route) console.Rule {
	rule := console.Rule{
		Hosts: r.Hosts, Name: r.Rule.Name, Match: build.MatchText(r.Rule.Match), Source: r.Rule.Place.String(),
	}
	switch route := r.Rule.Route; {
	case r.HTTPS:
		rule.Then = "redirect to https"
	case route.GetRedirect() != nil:
		rule.Then = "redirect " + redirectText(route.Redirect)
	case route.GetDirectResponse() != nil:
		rule.Then = fmt.Sprint("answer ", route.DirectResponse.Status)
	}
	if rule.Then != "" {
		return rule
	}
	total := 0.0
	for _, d := range r.Rule.Destinations {
		total += float64(d.Weight)
	}
	for _, d := range r.Rule.Destinations {
		rule.Branches = append(rule.Branches, console.Branch{Upstream: d.Cluster.String(), Percent: 100 * float64(d.Weight) / total})
	}
	for _, m := range r.Rule.Mirrors {
		rule.Branches = append(rule.Branches, console.Branch{Upstream: m.Cluster.String(), Percent: m.Percent, Copies: true})
	}
	return rule
}

// choose is what rules and hashes read of requests.
func (s *shown) choose() *console.Reads {
	w := s.mesh.World()
	if last := s.reads.Load(); last != nil && last.world == w {
		return &last.Reads
	}
	headers, queries := map[string]bool{}, map[string]bool{}
	for _, vs := range w.VirtualServices {
		for _, route := range vs.Spec.Http {
			for _, m := range route.Match {
				addNames(headers, m.Headers)
				addNames(headers, m.WithoutHeaders)
				for name := range m.QueryParams {
					queries[name] = true
				}
			}
		}
	}
	for _, dr := range w.DestinationRules {
		hash := dr.Spec.GetTrafficPolicy().GetLoadBalancer().GetConsistentHash()
		if name := hash.GetHttpHeaderName(); name != "" {
			headers[textproto.CanonicalMIMEHeaderKey(name)] = true
		}
		if name := hash.GetHttpQueryParameterName(); name != "" {
			queries[name] = true
		}
	}
	next := &shownReads{w, console.Reads{Headers: slices.Sorted(maps.Keys(headers)), Queries: slices.Sorted(maps.Keys(queries))}}
	s.reads.Store(next)
	return &next.Reads
}

func addNames(to map[string]bool, matches map[string]*networking.StringMatch) {
	for name := range matches {
		if name != "" && name[0] != ':' {
			to[textproto.CanonicalMIMEHeaderKey(name)] = true
		}
	}
}

// Console is the watcher for a console: the resources, what there is to warn of,
// and how loading them went.
func (w *Watcher) Console() console.Source {
	var last atomic.Pointer[shownResources]
	return console.Source{
		Configuration: func() *console.Configuration {
			config := w.inForce()
			if config == nil {
				return nil
			}
			if l := last.Load(); l != nil && l.config == config {
				return &l.Configuration
			}
			next := &shownResources{config: config}
			for r := range config.Resources() {
				next.Resources = append(next.Resources, console.Resource{
					Kind: r.Kind, Name: r.Namespace + "/" + r.Name, Source: fmt.Sprintf("%s:%d", r.File, r.Line),
				})
			}
			next.Warnings = slices.Collect(config.Warnings())
			last.Store(next)
			return &next.Configuration
		},
		Reload: func() console.Reload {
			s := w.Status()
			return console.Reload{Loads: s.Reloads, Failures: s.Failures, Loaded: s.Loaded, Failed: s.Failed, Err: s.Err}
		},
	}
}

type shownResources struct {
	config *Config
	console.Configuration
}
