package build

import (
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/match"
)

// A Route is a rule in force.
type Route struct {
	Hosts []string
	Rule  *plan.Rule
	HTTPS bool // requests are sent to https, whatever the rule says
}

// World is what is in force. It is another pointer after each update.
func (m *Mesh) World() *plan.World { return m.now.Load().world }

// Routes are the rules of a world in the order in which they are tried, port by
// port. What several ports have in common comes once. It plans anew, and so is for
// people and not for the way of a request.
func (m *Mesh) Routes(w *plan.World) ([]Route, error) {
	p, err := m.plan(w)
	if err != nil {
		return nil, err
	}
	c := routeList{seen: map[routeKey]bool{}}
	for _, port := range slices.Sorted(maps.Keys(p.Ports)) {
		c.add(p.Ports[port])
	}
	c.add(p.Other)
	for _, s := range p.Servers {
		c.add(s.Hosts)
	}
	return c.all, nil
}

// A routeKey is what two rules have in common that do the same.
type routeKey struct {
	route *networking.HTTPRoute
	match *networking.HTTPMatchRequest
	to    string
}

type routeList struct {
	seen map[routeKey]bool
	all  []Route
}

func (l *routeList) add(hosts []plan.VirtualHost) {
	for i := range hosts {
		h := &hosts[i]
		for j := range h.Rules {
			r := &h.Rules[j]
			k := routeKey{route: r.Route, match: r.Match}
			for _, d := range r.Destinations {
				k.to += d.Cluster.String() + " "
			}
			if !l.seen[k] {
				l.seen[k] = true
				l.all = append(l.all, Route{shortest(h.Domains), r, h.HTTPS})
			}
		}
	}
}

// shortest are domains by which a host goes, those without a port or a final dot,
// the shortest first.
func shortest(domains []string) []string {
	var all []string
	for _, d := range domains {
		i := strings.LastIndexByte(d, ':')
		port := i >= 0 && strings.IndexByte(d[i:], ']') < 0
		if !port && !strings.HasSuffix(d, ".") {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return len(a) - len(b) })
	return all
}

// MatchText is what a match asks of requests, in words; empty if nothing.
func MatchText(m *networking.HTTPMatchRequest) string {
	q := matchOf(m)
	var parts []string
	add := func(what string, v match.Value) {
		if !v.IsZero() {
			parts = append(parts, what+" "+v.String())
		}
	}
	add("method", q.Method)
	add("scheme", q.Scheme)
	add("host", q.Host)
	add("path", q.Path)
	for _, f := range q.Headers {
		add("header "+f.Name, f.Value)
	}
	for _, f := range q.Without {
		add("without header "+f.Name, f.Value)
	}
	for _, f := range q.Query {
		add("query parameter "+f.Name, f.Value)
	}
	return strings.Join(parts, ", ")
}
