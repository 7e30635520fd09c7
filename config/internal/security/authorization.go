package security

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"

	api "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/match"
)

// Options are what resources do not say.
type Options struct {
	TrustDomains []string // of the mesh, its own first; none is cluster.local
	Providers    map[string]Provider
}

// A Provider decides requests for policies with the action CUSTOM.
type Provider = func(*http.Request) (authz.Answer, error)

// Policies are the AuthorizationPolicies for a workload, and who decides those
// with the action CUSTOM. The error joins what keeps them from being carried out.
func (w *World) Policies(to Workload, o Options) (authz.Config, error) {
	tds := domains(o.TrustDomains)
	if len(tds) == 0 {
		tds = domains{plan.DefaultDomain}
	}
	var c authz.Config
	var errs []error
	asked := ""
	for _, ap := range w.AuthorizationPolicies {
		if !w.reaches(ap.Namespace, ap.Spec.Selector, to) || targeted(ap.Spec) {
			continue
		}
		p := policy(ap, tds)
		if err := check(p); err != nil {
			errs = append(errs, at(ap.Source, err))
		}
		c.Policies = append(c.Policies, p)
		if p.Action != authz.Custom || p.DryRun {
			continue
		}
		name := ap.Spec.GetProvider().GetName()
		switch asked = cmp.Or(asked, name); {
		case o.Providers[name] == nil:
			errs = append(errs, &mesh.Problem{Source: ap.Source, Field: "spec.provider.name", Value: name, Reason: "is a provider that the server does not have"})
		case asked != name:
			errs = append(errs, &mesh.Problem{Source: ap.Source, Field: "spec.provider.name", Value: name, Reason: "is another provider than that of an older policy for the same workload, " + strconv.Quote(asked)})
		default:
			c.Ask = func(r *http.Request, _ string) (authz.Answer, error) { return o.Providers[asked](r) }
		}
	}
	return c, errors.Join(errs...)
}

// Asked is the provider that the policies with the action CUSTOM for a workload name
// first, and the resource that does; empty without such policies.
func (w *World) Asked(to Workload) (provider, source string) {
	for _, ap := range w.AuthorizationPolicies {
		if ap.Spec.Action != api.AuthorizationPolicy_CUSTOM || !w.reaches(ap.Namespace, ap.Spec.Selector, to) || targeted(ap.Spec) {
			continue
		}
		if dry, _ := strconv.ParseBool(ap.Annotations[dryRun]); !dry {
			return ap.Spec.GetProvider().GetName(), ap.Source
		}
	}
	return "", ""
}

// check reports what keeps a policy from being carried out.
func check(p authz.Policy) error {
	nobody := func(*http.Request, string) (authz.Answer, error) { return authz.Answer{}, nil }
	_, err := authz.New(authz.Config{Policies: []authz.Policy{p}, Ask: nobody})
	return err
}

// at puts the place of a resource before what is wrong with it.
func at(source string, err error) error {
	var errs []error
	for p := range mesh.Problems(err) {
		q := *p
		q.Source, q.Field = source, strings.TrimPrefix(q.Field, "authz.Policies[0].")
		errs = append(errs, &q)
	}
	return errors.Join(errs...)
}

// dryRun is the annotation of policies that decide nothing.
const dryRun = "istio.io/dry-run"

// policy makes a policy of a resource. Its name is the one by which Envoy logs it.
func policy(ap plan.Object[*api.AuthorizationPolicy], tds domains) authz.Policy {
	p := authz.Policy{Name: policyName(ap)}
	p.DryRun, _ = strconv.ParseBool(ap.Annotations[dryRun])
	switch ap.Spec.Action {
	case api.AuthorizationPolicy_DENY:
		p.Action = authz.Deny
	case api.AuthorizationPolicy_AUDIT:
		p.Action = authz.Audit
	case api.AuthorizationPolicy_CUSTOM:
		p.Action = authz.Custom
	}
	t := translator{ap.Namespace, tds}
	for _, r := range ap.Spec.Rules {
		p.Rules = append(p.Rules, t.rule(r))
	}
	return p
}

// A translator knows what the values of a policy refer to.
type translator struct {
	namespace string
	domains   domains
}

func (t translator) rule(r *api.Rule) (made authz.Rule) {
	for _, f := range r.GetFrom() {
		made.From = append(made.From, t.source(f.GetSource()))
	}
	for _, o := range r.GetTo() {
		made.To = append(made.To, operation(o.GetOperation()))
	}
	for _, c := range r.GetWhen() {
		made.When = append(made.When, t.condition(c))
	}
	return made
}

func (t translator) source(s *api.Source) authz.Source {
	return authz.Source{
		Principals:        set(text, t.domains.principals(s.GetPrincipals()), t.domains.principals(s.GetNotPrincipals())),
		Namespaces:        set(namespace, s.GetNamespaces(), s.GetNotNamespaces()),
		ServiceAccounts:   set(t.account, s.GetServiceAccounts(), s.GetNotServiceAccounts()),
		TrustDomains:      set(text, t.domains.expand(s.GetTrustDomains()), t.domains.expand(s.GetNotTrustDomains())),
		RequestPrincipals: set(requestPrincipal, s.GetRequestPrincipals(), s.GetNotRequestPrincipals()),
		Peers:             nets(s.GetIpBlocks(), s.GetNotIpBlocks()),
		Remotes:           nets(s.GetRemoteIpBlocks(), s.GetNotRemoteIpBlocks()),
	}
}

// account is a service account, of the policy's namespace if it names none.
func (t translator) account(v string) match.Value {
	if !strings.Contains(v, "/") {
		v = t.namespace + "/" + v
	}
	return match.Exact(v)
}

func operation(o *api.Operation) authz.Operation {
	return authz.Operation{
		Hosts:   set(text, o.GetHosts(), o.GetNotHosts()),
		Ports:   authz.Ports{In: numbers(o.GetPorts()), NotIn: numbers(o.GetNotPorts())},
		Methods: set(text, o.GetMethods(), o.GetNotMethods()),
		Paths:   set(path, o.GetPaths(), o.GetNotPaths()),
	}
}

func (t translator) condition(c *api.Condition) authz.Condition {
	in, notIn, value := c.Values, c.NotValues, text
	switch key := c.Key; {
	case key == "source.ip", key == "remote.ip", key == "destination.ip":
		return authz.Condition{Key: key, Nets: nets(in, notIn)}
	case key == "source.principal":
		in, notIn = t.domains.principals(in), t.domains.principals(notIn)
	case key == "source.trustDomain":
		in, notIn = t.domains.expand(in), t.domains.expand(notIn)
	case key == "source.namespace":
		value = namespace
	case key == "source.serviceAccount":
		value = t.account
	case key == "destination.port":
		value = digits
	case key == "request.auth.principal":
		value = requestPrincipal
	case strings.HasPrefix(key, "request.auth."):
		value = filled
	}
	return authz.Condition{Key: c.Key, Values: set(value, in, notIn)}
}
