package istio

import (
	"slices"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// checkAuthorizationPolicy checks what Istio's admission check does, and
// refuses what it lets pass although it cannot work.
func checkAuthorizationPolicy(c *checker, ap *security.AuthorizationPolicy) {
	p := manifest.Top("spec")
	c.target(ap.Selector, ap.TargetRef, ap.TargetRefs)
	custom := ap.Action == security.AuthorizationPolicy_CUSTOM
	switch {
	case len(ap.Rules) == 0 && (custom || ap.Action == security.AuthorizationPolicy_DENY):
		c.refuse(p.Field("rules"), nil, "is missing: without rules the action %s never applies; write [{}] for every request", ap.Action)
	case custom && ap.GetProvider().GetName() == "":
		c.refuse(p.Field("provider").Field("name"), nil, "is missing: the action CUSTOM asks a provider")
	}
	if ap.GetProvider() != nil && !custom {
		c.refuse(p.Field("provider"), nil, "can be given for the action CUSTOM only, not %s", ap.Action)
	}
	for i, rule := range ap.Rules {
		at := p.Field("rules").At(i)
		if custom {
			c.customRule(at, rule)
		}
		c.authorizationRule(at, rule)
		if ap.Action == security.AuthorizationPolicy_DENY && deniesTCP(rule) {
			c.warn(at, nil, "matches HTTP only, so on ports of TCP it denies everything; name ports in operation")
		}
	}
}

// customRule refuses what a provider's rule cannot ask, which is evaluated
// before identities are.
func (c *checker) customRule(p *manifest.Path, r *security.Rule) {
	const reason = "cannot be matched with the action CUSTOM"
	for i, from := range r.From {
		for _, f := range identityFields(from.GetSource()) {
			if len(f.values) > 0 {
				c.refuse(p.Field("from").At(i).Field("source").Field(f.name), nil, reason)
			}
		}
	}
	for i, when := range r.When {
		switch key := when.Key; {
		case key == "source.namespace", key == "source.serviceAccount", key == "source.trustDomain", key == "source.principal",
			strings.HasPrefix(key, "request.auth."):
			c.refuse(p.Field("when").At(i).Field("key"), key, reason)
		}
	}
}

// A list of values and its name in YAML.
type values struct {
	name   string
	values []string
}

// identityFields are the fields of a source that speak of identities.
func identityFields(s *security.Source) []values {
	return []values{
		{"principals", s.GetPrincipals()}, {"notPrincipals", s.GetNotPrincipals()},
		{"requestPrincipals", s.GetRequestPrincipals()}, {"notRequestPrincipals", s.GetNotRequestPrincipals()},
		{"namespaces", s.GetNamespaces()}, {"notNamespaces", s.GetNotNamespaces()},
		{"serviceAccounts", s.GetServiceAccounts()}, {"notServiceAccounts", s.GetNotServiceAccounts()},
		{"trustDomains", s.GetTrustDomains()}, {"notTrustDomains", s.GetNotTrustDomains()},
	}
}

// addressFields are the fields of a source that speak of addresses.
func addressFields(s *security.Source) []values {
	return []values{
		{"ipBlocks", s.IpBlocks}, {"notIpBlocks", s.NotIpBlocks},
		{"remoteIpBlocks", s.RemoteIpBlocks}, {"notRemoteIpBlocks", s.NotRemoteIpBlocks},
	}
}

func anyValues(fields []values) bool {
	return slices.ContainsFunc(fields, func(f values) bool { return len(f.values) > 0 })
}

func (c *checker) authorizationRule(p *manifest.Path, r *security.Rule) {
	for i, from := range r.From {
		at := p.Field("from").At(i).Field("source")
		if from.Source == nil {
			c.refuse(at, nil, "is missing")
			continue
		}
		c.source(at, from.Source)
	}
	for i, to := range r.To {
		at := p.Field("to").At(i).Field("operation")
		if to.Operation == nil {
			c.refuse(at, nil, "is missing")
			continue
		}
		c.operation(at, to.Operation)
	}
	for i, when := range r.When {
		c.condition(p.Field("when").At(i), when)
	}
}

func (c *checker) source(p *manifest.Path, s *security.Source) {
	identities, addresses := identityFields(s), addressFields(s)
	if !anyValues(identities) && !anyValues(addresses) {
		c.refuse(p, nil, "is empty: it would match nobody or everybody; name at least one condition")
		return
	}
	if len(s.ServiceAccounts)+len(s.NotServiceAccounts) > 0 &&
		len(s.Principals)+len(s.NotPrincipals)+len(s.Namespaces)+len(s.NotNamespaces) > 0 {
		c.refuse(p.Field("serviceAccounts"), nil, "cannot stand beside principals or namespaces, which it holds already")
	}
	for _, f := range identities {
		at := p.Field(f.name)
		switch f.name {
		case "serviceAccounts", "notServiceAccounts":
			c.serviceAccounts(at, f.values)
		case "trustDomains", "notTrustDomains":
			c.trustDomains(at, f.values)
		default:
			c.notEmpty(at, f.values)
		}
	}
	c.principals(p.Field("principals"), s.Principals)
	c.principals(p.Field("notPrincipals"), s.NotPrincipals)
	for _, f := range addresses {
		c.addresses(p.Field(f.name), f.values)
	}
}

func (c *checker) operation(p *manifest.Path, o *security.Operation) {
	fields := []values{
		{"hosts", o.Hosts}, {"notHosts", o.NotHosts}, {"ports", o.Ports}, {"notPorts", o.NotPorts},
		{"methods", o.Methods}, {"notMethods", o.NotMethods}, {"paths", o.Paths}, {"notPaths", o.NotPaths},
	}
	if !anyValues(fields) {
		c.refuse(p, nil, "is empty: it would match nothing or everything; name at least one condition")
		return
	}
	for _, f := range fields {
		at := p.Field(f.name)
		switch f.name {
		case "ports", "notPorts":
			c.portTexts(at, f.values)
		case "paths", "notPaths":
			c.notEmpty(at, f.values)
			c.pathTemplates(at, f.values)
		default:
			c.notEmpty(at, f.values)
		}
	}
}

// deniesTCP tells whether a rule has conditions of HTTP only, in the eyes of
// Istio's check.
func deniesTCP(r *security.Rule) bool {
	var from, to, tcpFrom, tcpTo bool
	for _, f := range r.From {
		s := f.GetSource()
		from = from || s != nil
		tcpFrom = tcpFrom || len(s.GetPrincipals())+len(s.GetNotPrincipals())+len(s.GetNamespaces())+len(s.GetNotNamespaces())+
			len(s.GetServiceAccounts())+len(s.GetNotServiceAccounts())+len(s.GetIpBlocks())+len(s.GetNotIpBlocks())+
			len(s.GetRemoteIpBlocks())+len(s.GetNotRemoteIpBlocks()) > 0
	}
	for _, t := range r.To {
		to = to || t.GetOperation() != nil
		tcpTo = tcpTo || len(t.GetOperation().GetPorts())+len(t.GetOperation().GetNotPorts()) > 0
	}
	return from && !to && !tcpFrom || to && !tcpTo
}
