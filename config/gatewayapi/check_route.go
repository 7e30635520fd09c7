package gatewayapi

import (
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Limits of rules and matches.
const (
	maxMatches      = 64
	maxMatchesTotal = 128
	maxWeight       = 1_000_000
)

func checkHTTPRoute(d *reader, r *routeSpec[httpRule]) {
	p := checkRoute(d, r)
	total := 0
	for i := range r.Rules {
		at, rule := p.At(i), &r.Rules[i]
		total += len(rule.Matches)
		d.size(at.Field("matches"), len(rule.Matches), maxMatches)
		for j := range rule.Matches {
			d.httpMatch(at.Field("matches").At(j), &rule.Matches[j])
		}
		f := filterCheck{reader: d, http: true, prefix: onePrefix(rule.Matches)}
		f.filters(at.Field("filters"), rule.Filters)
		f.backends(at.Field("backendRefs"), rule.BackendRefs)
		if hasFilter(rule.Filters, filterRedirect) && len(rule.BackendRefs) > 0 {
			d.refuse(at.Field("backendRefs"), nil, "cannot stand beside the filter RequestRedirect, which answers without them")
		}
		d.timeouts(at.Field("timeouts"), rule.Timeouts)
		d.retry(at.Field("retry"), rule.Retry)
		d.session(at.Field("sessionPersistence"), rule.SessionPersistence)
	}
	if total > maxMatchesTotal {
		d.refuse(p, nil, "have %d matches, and at most %d are allowed in a route", total, maxMatchesTotal)
	}
}

func checkGRPCRoute(d *reader, r *routeSpec[grpcRule]) {
	p := checkRoute(d, r)
	for i := range r.Rules {
		at, rule := p.At(i), &r.Rules[i]
		d.size(at.Field("matches"), len(rule.Matches), maxMatches)
		for j := range rule.Matches {
			m, at := &rule.Matches[j], at.Field("matches").At(j)
			d.grpcMethod(at.Field("method"), m.Method)
			d.valueMatches(at.Field("headers"), m.Headers, d.token)
		}
		f := filterCheck{reader: d}
		f.filters(at.Field("filters"), rule.Filters)
		f.backends(at.Field("backendRefs"), rule.BackendRefs)
		d.session(at.Field("sessionPersistence"), rule.SessionPersistence)
	}
}

// checkRoute checks what routes of both kinds have, and returns where the rules are.
func checkRoute[Rule any](d *reader, r *routeSpec[Rule]) (rules *manifest.Path) {
	p := manifest.Top("spec")
	d.parents(p.Field("parentRefs"), r.ParentRefs)
	d.hostnames(p.Field("hostnames"), r.Hostnames)
	rules = p.Field("rules")
	d.ruleCount(rules, len(r.Rules))
	return rules
}

func (d *reader) parents(p *manifest.Path, refs []parentRef) {
	d.size(p, len(refs), 32)
	for i, ref := range refs {
		d.required(p.At(i).Field("name"), ref.Name)
		d.portNumber(p.At(i).Field("port"), ref.Port)
	}
	if len(refs) == 0 {
		d.warn(p, nil, "is empty: the route is attached to nothing and without effect")
	}
}

func (d *reader) hostnames(p *manifest.Path, names []string) {
	d.size(p, len(names), maxItems)
	for i, name := range names {
		d.hostname(p.At(i), name, true)
	}
}

// ruleCount checks how many rules there are; absent ones are one that takes all.
func (d *reader) ruleCount(p *manifest.Path, n int) {
	if e := d.all.Get("spec"); n == 0 && e != nil {
		if m := manifest.Resolve(e.Value); hasKey(m.Content, "rules") {
			d.refuse(p, nil, "needs at least one entry")
		}
	}
	d.size(p, n, maxItems)
}

func (d *reader) httpMatch(p *manifest.Path, m *httpMatch) {
	if path := m.Path; path != nil {
		kind := or(path.Type, typePrefix)
		if d.oneOf(p.Field("path").Field("type"), kind, typeExact, typePrefix, typeRegex) {
			at, value := p.Field("path").Field("value"), or(path.Value, "/")
			if kind == typeRegex {
				d.regex(at, value)
			} else {
				d.path(at, value)
			}
		}
	}
	if m.Method != nil {
		d.oneOf(p.Field("method"), *m.Method, methods...)
	}
	d.valueMatches(p.Field("headers"), m.Headers, d.token)
	d.valueMatches(p.Field("queryParams"), m.QueryParams, func(p *manifest.Path, s string) { d.required(p, s) })
}

func (d *reader) grpcMethod(p *manifest.Path, m *grpcMethod) {
	if m == nil {
		return
	}
	if or(m.Service, "") == "" && or(m.Method, "") == "" {
		d.refuse(p, nil, "needs a service, a method or both")
	}
	kind := or(m.Type, typeExact)
	if !d.oneOf(p.Field("type"), kind, typeExact, typeRegex) {
		return
	}
	for _, part := range []struct {
		field string
		value *string
		form  interface{ MatchString(string) bool }
	}{{"service", m.Service, serviceFmt}, {"method", m.Method, grpcForm}} {
		at, value := p.Field(part.field), or(part.value, "")
		switch {
		case value == "":
		case kind == typeRegex:
			d.regex(at, value)
		case len(value) > maxPath || !part.form.MatchString(value):
			d.refuse(at, value, "cannot be the name of a gRPC %s", part.field)
		}
	}
}

func (d *reader) timeouts(p *manifest.Path, t *timeouts) {
	if t == nil {
		return
	}
	whole := d.duration(p.Field("request"), t.Request)
	if one := d.duration(p.Field("backendRequest"), t.BackendRequest); whole > 0 && one > whole {
		d.refuse(p.Field("backendRequest"), *t.BackendRequest, "cannot be longer than the bound on the whole request, %s", *t.Request)
	}
}

func (d *reader) retry(p *manifest.Path, r *retrySpec) {
	if r == nil {
		return
	}
	for i, code := range r.Codes {
		if code < 400 || code > 599 {
			d.refuse(p.Field("codes").At(i), code, "must be 400 to 599")
		}
	}
	if r.Attempts != nil && (*r.Attempts < 0 || *r.Attempts > 1000) {
		d.refuse(p.Field("attempts"), *r.Attempts, "must be 0 to 1000")
	}
	d.duration(p.Field("backoff"), r.Backoff)
}

func (d *reader) session(p *manifest.Path, s *sessionPersistence) {
	if s == nil {
		return
	}
	kind := or(s.Type, sessionByCookie)
	d.oneOf(p.Field("type"), kind, sessionByCookie, sessionByHeader)
	d.duration(p.Field("absoluteTimeout"), s.AbsoluteTimeout)
	if d.duration(p.Field("idleTimeout"), s.IdleTimeout); s.IdleTimeout != nil {
		d.warn(p.Field("idleTimeout"), nil, "is not carried out: a session has no state here that could become old")
	}
	for field, c := range map[string]*sessionCookie{"cookieConfig": s.CookieConfig, "cookie": s.Cookie} {
		if c == nil {
			continue
		}
		lifetime := or(c.LifetimeType, lifetimeSession)
		d.oneOf(p.Field(field).Field("lifetimeType"), lifetime, lifetimeSession, lifetimePermanent)
		if lifetime == lifetimePermanent && s.AbsoluteTimeout == nil {
			d.refuse(p.Field("absoluteTimeout"), nil, "is missing: a permanent cookie needs it")
		}
	}
	if name := s.name(); name != "" {
		at := p.Field("sessionName")
		d.token(at, name)
	}
}
