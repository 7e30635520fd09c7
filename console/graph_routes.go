package console

import (
	"cmp"
	"net"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/console/internal/traffic"
)

// A routeFlow is a rule, or what is known of one by its traffic.
type routeFlow struct {
	rule  *Rule
	key   traffic.Key
	paths []path
	rate  traffic.Rate
}

// routes are all rules with their traffic, those in force first and in their
// order.
func (b *graphBuilder) routes() []*routeFlow {
	var all []*routeFlow
	byName := map[string][]*routeFlow{}
	for _, c := range b.configs {
		for i := range c.Rules {
			r := &routeFlow{rule: &c.Rules[i]}
			all = append(all, r)
			byName[r.rule.Name] = append(byName[r.rule.Name], r)
		}
	}
	found := map[traffic.Key]*routeFlow{}
	for _, p := range b.paths {
		r := ruleFor(byName[p.Route], p.Key)
		if r == nil {
			k := traffic.Key{Host: p.Host, Route: p.Route}
			if r = found[k]; r == nil {
				r = &routeFlow{key: k}
				found[k] = r
				all = append(all, r)
			}
		}
		r.paths = append(r.paths, p)
		r.rate.Join(p.rate)
	}
	for _, r := range all {
		r.rate.Settle(b.window)
	}
	return all
}

// ruleFor is the rule by which a request of k went: of those with the name the one
// that leads there, for that host.
func ruleFor(named []*routeFlow, k traffic.Key) *routeFlow {
	var best *routeFlow
	most := 0
	for _, r := range named {
		fit := 0
		if r.rule.isFor(k.Host) {
			fit += 2
		}
		if r.rule.leadsTo(k.Upstream) {
			fit += 3
		}
		if fit > most {
			best, most = r, fit
		}
	}
	return best
}

// isFor reports whether a rule is for a host.
func (r *Rule) isFor(host string) bool {
	if len(r.Hosts) == 0 {
		return true
	}
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	return slices.ContainsFunc(r.Hosts, func(h string) bool {
		return h == host || h == bare || h == "*" || strings.HasPrefix(h, "*.") && strings.HasSuffix(bare, h[1:])
	})
}

func (r *Rule) leadsTo(upstream string) bool {
	return slices.ContainsFunc(r.Branches, func(b Branch) bool { return b.Upstream == upstream })
}

// busiest are the routes to be shown, in their order.
func busiest(all []*routeFlow) []*routeFlow {
	ranked := slices.Clone(all)
	slices.SortStableFunc(ranked, func(a, b *routeFlow) int {
		return cmp.Or(cmp.Compare(b.rate.PerSecond, a.rate.PerSecond), cmp.Compare(b.rate.Total, a.rate.Total))
	})
	ranked = ranked[:maxRoutes]
	return slices.DeleteFunc(slices.Clone(all), func(r *routeFlow) bool { return !slices.Contains(ranked, r) })
}
