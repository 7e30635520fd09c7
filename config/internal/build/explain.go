package build

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// A Decision is what becomes of a request, and why.
type Decision struct {
	World     *plan.World
	Port      uint16
	Path      string            // as it is matched
	Malformed string            // why the request is refused before any rule
	Refuse    bool              // whether hosts that no resource names are refused
	Host      *plan.VirtualHost // whose rules compete; nil for a host that no resource names
	Passed    []Misfit
	Rule      *plan.Rule // nil if none fits
	Targets   map[plan.Cluster]Target

	// Of a gateway: the server of a Gateway for the request, nil if there is none; those
	// that are not for it; and whether the server sends it to https, whatever the rules.
	Server *plan.Server
	Others []OtherServer
	HTTPS  bool
}

// An OtherServer is one that is not for a request.
type OtherServer struct {
	Server *plan.Server
	Reason string
}

// A Misfit is a rule before the one that fits.
type Misfit struct {
	Rule   *plan.Rule
	Reason string
}

// A Target is a cluster with its endpoints as they are now.
type Target struct {
	*plan.Target
	Stats lb.Stats
}

// Explain says what becomes of r. It makes the table of the request's port anew, so
// it is for people and not for the way of a request.
func (m *Mesh) Explain(r *http.Request) (*Decision, error) {
	s := m.now.Load()
	p, err := m.plan(s.world)
	if err != nil {
		return nil, err
	}
	d := &Decision{World: s.world, Refuse: p.Refuse, Targets: map[plan.Cluster]Target{}}
	if r.URL == nil || r.URL.Host == "" && r.Host == "" {
		d.Malformed = "it names no host"
		return d, nil
	}
	d.Port = uint16(portOf(r.URL))
	view := match.ViewOf(r)
	normal, ok := match.NormalizePath(view.Path(), s.paths)
	if !ok || strings.Contains(r.URL.RawQuery, "#") {
		d.Malformed = "its path cannot be normalized"
		return d, nil
	}
	d.Path = normal
	if normal != view.Path() {
		u := *r.URL
		rawpath.Set(&u, normal)
		r = r.WithContext(r.Context())
		r.URL = &u
	}
	hosts, known := p.Ports[uint32(d.Port)]
	if !known {
		hosts = p.Other
	}
	if m.options.Gateway != nil {
		hosts = d.serve(p, r)
	}
	for _, s := range p.Servers { // of a gateway; which of several with TLS is meant, only a connection tells
		if s.Port == uint32(d.Port) {
			hosts = append(slices.Clip(hosts), s.Hosts...)
		}
	}
	if err := d.choose(hosts, r); err != nil {
		return nil, err
	}
	if d.Rule != nil {
		m.describe(d)
	}
	return d, nil
}

// serve finds the server for r among those of a gateway, and gives its hosts.
func (d *Decision) serve(p *plan.Plan, r *http.Request) []plan.VirtualHost {
	names := terminator{byName: map[string]*secure{}}
	for i := range p.Servers {
		if s := &p.Servers[i]; s.Port == uint32(d.Port) && s.TLS != nil {
			for _, name := range s.Names {
				names.byName[name] = &secure{server: s}
			}
		}
	}
	for i := range p.Servers {
		s := &p.Servers[i]
		reason := ""
		switch {
		case s.Port != uint32(d.Port):
			reason = fmt.Sprintf("is for port %d", s.Port)
		case s.TLS == nil && r.TLS != nil:
			reason = "is for requests without TLS"
		case s.TLS != nil && r.TLS == nil:
			reason = "is for requests over TLS"
		case s.TLS != nil:
			if found := names.find(r.TLS.ServerName); found == nil || found.server != s {
				reason = fmt.Sprintf("is for connections that ask for %s, and this one asks for %q", strings.Join(s.Names, ", "), r.TLS.ServerName)
			}
		}
		if reason != "" {
			d.Others = append(d.Others, OtherServer{s, reason})
		} else {
			d.Server = s
		}
	}
	if d.Server == nil {
		return nil
	}
	return d.Server.Hosts
}

// choose finds the rule for r among those of hosts.
func (d *Decision) choose(hosts []plan.VirtualHost, r *http.Request) error {
	type place struct {
		host *plan.VirtualHost
		rule *plan.Rule
	}
	var rules []route.Rule[place]
	for i := range hosts {
		if hosts[i].HTTPS {
			rules = append(rules, route.Rule[place]{Hosts: hosts[i].Domains, Match: plainText, Value: place{&hosts[i], nil}})
		}
		for j := range hosts[i].Rules {
			rule := route.Rule[place]{Hosts: hosts[i].Domains, Value: place{&hosts[i], &hosts[i].Rules[j]}}
			if m := hosts[i].Rules[j].Match; m != nil {
				rule.Match = []match.Request{matchOf(m)}
			}
			rules = append(rules, rule)
		}
	}
	table, err := route.New(rules...)
	if err != nil {
		return err
	}
	for rule, reason := range table.Explain(r) {
		d.Host = rule.Value.host
		if reason == "" {
			d.Rule, d.HTTPS = rule.Value.rule, rule.Value.rule == nil
			return nil
		}
		if rule.Value.rule != nil {
			d.Passed = append(d.Passed, Misfit{rule.Value.rule, reason})
		}
	}
	return nil
}

// describe adds the clusters that the rule leads to.
func (m *Mesh) describe(d *Decision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add := func(name plan.Cluster) {
		if c := m.clusters[name]; c != nil {
			d.Targets[name] = Target{c.target, c.upstream.Balancer().Stats()}
		}
	}
	for _, to := range d.Rule.Destinations {
		add(to.Cluster)
	}
	for _, to := range d.Rule.Mirrors {
		add(to.Cluster)
	}
}
