package istio

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/internal/plan"
	inbound "github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/mtls"
)

// An Admission says whether a server lets a request in, and why: which
// PeerAuthentication, RequestAuthentication, AuthorizationPolicy and RateLimit hold,
// why others do not, and which rule decides. Its String is for people; as JSON it is
// for programs.
type Admission struct {
	Method string `json:"method"`
	Host   string `json:"host"`
	Port   uint16 `json:"port"`             // of the workload; zero if nothing tells
	Path   string `json:"path"`             // as it is matched
	Caller string `json:"caller,omitempty"` // the identity, without "spiffe://"; empty for one in plain text

	Allowed bool   `json:"allowed"`
	Verdict string `json:"verdict"` // with the status of a refusal

	// Settings are the mode of mutual TLS, the rules for tokens and the limits.
	Settings []Setting `json:"settings"`

	// Policies are the AuthorizationPolicies that the request meets, in the order in
	// which it does; none comes after the one that decides.
	Policies []ExplainedPolicy `json:"policies,omitempty"`

	Passed []PassedResource `json:"passed,omitempty"` // resources that do not hold
}

// A PassedResource is one that does not hold for a workload.
type PassedResource struct {
	Source string `json:"source"` // file, line, kind and name
	Reason string `json:"reason"`
}

// An ExplainedPolicy is an AuthorizationPolicy that a request meets.
type ExplainedPolicy struct {
	Source   string `json:"source"`
	Action   string `json:"action"`
	DryRun   bool   `json:"dryRun,omitempty"`   // it decides nothing
	Provider string `json:"provider,omitempty"` // that is asked, of one with the action CUSTOM

	Passed []PassedRule `json:"passed,omitempty"` // the rules that do not match
	Rule   string       `json:"rule,omitempty"`   // the source of the rule that does; empty if none does
}

// Explain says what the server would do with r, as things are now, without doing it:
// nothing is counted, and of policies with the action CUSTOM it is taken that the
// provider lets r in. The port is that of [http.LocalAddrContextKey] in r's context,
// and the caller is whom the connection's certificate names, as for a handler.
func (s *Server) Explain(r *http.Request) Admission {
	now := s.now.Load()
	view := match.ViewOf(r)
	a := Admission{Method: view.Method(), Host: r.Host, Port: portServed(r), Caller: peer.Identity(r)}
	to := inbound.Workload{Namespace: s.config.Workload.Namespace, Labels: s.config.Workload.Labels}
	mode := a.connection(now.world, to, s.edge)
	a.tokens(now.world, to)
	for _, l := range now.limits {
		a.Settings = append(a.Settings, Setting{"limit of " + l.name, l.rule.String(), l.source()})
	}
	var ok bool
	if a.Path, ok = match.NormalizePath(view.Path(), plan.PathOptions(now.world.Mesh)); !ok {
		a.Path = view.Path()
	}
	a.decide(s, now, to, mode, r)
	return a
}

// connection tells the mode of mutual TLS.
func (a *Admission) connection(w *inbound.World, to inbound.Workload, edge bool) mtls.Mode {
	if edge {
		return mtls.Permissive // the servers of Gateways say it
	}
	mode, source, passed := w.ExplainMode(to, a.Port)
	if source == "" {
		source = DefaultOfIstio
	}
	a.Settings = append(a.Settings, Setting{"mtls.mode", mode.String(), source})
	a.pass(passed)
	return mode
}

// tokens tells the rules for tokens.
func (a *Admission) tokens(w *inbound.World, to inbound.Workload) {
	rules, passed := w.ExplainTokens(to)
	for _, r := range rules {
		a.Settings = append(a.Settings, Setting{"tokens of issuer", r.Issuer, r.Source})
	}
	a.pass(passed)
}

func (a *Admission) pass(passed []inbound.Passed) {
	for _, p := range passed {
		a.Passed = append(a.Passed, PassedResource{p.Source, p.Reason})
	}
}

// decide goes the way of a request through the server.
func (a *Admission) decide(s *Server, now *admission, to inbound.Workload, mode mtls.Mode, r *http.Request) {
	byName, passed := now.world.ExplainPolicies(to)
	a.pass(passed)
	if mode == mtls.Strict && a.Caller == "" {
		a.Verdict = "the connection is refused: mutual TLS is demanded, and the caller is not known"
		return
	}
	policies := func(authorizer *authz.Authorizer, r *http.Request) authz.Decision {
		d, steps := authorizer.Explain(r)
		for _, step := range steps {
			a.Policies = append(a.Policies, explainedPolicy(step, byName))
		}
		return d
	}
	if d := policies(s.custom, r); !d.Allowed {
		a.Verdict = verdictOf(d)
		return
	}
	if now.verify != nil {
		verified, err := now.verify(r)
		if err != nil {
			var e *mesh.Error
			errors.As(unauthorized(err), &e)
			a.Verdict = fmt.Sprintf("%d: %v", e.Status, err)
			return
		}
		r = verified
	}
	d := policies(s.authorizer, r)
	a.Allowed, a.Verdict = d.Allowed, verdictOf(d)
}

// verdictOf is a decision in words, with the status of a refusal.
func verdictOf(d authz.Decision) string {
	switch {
	case d.Err != nil:
		return "400: its path cannot be normalized"
	case d.Allowed && d.Policy == "":
		return "allowed: no policy for the workload has the action ALLOW"
	case d.Allowed:
		return "allowed by " + d.Policy
	case d.Policy == "":
		return "403: no policy allows it"
	}
	return "403: refused by " + d.Policy
}

func explainedPolicy(step authz.Step, byName map[string]plan.Object[*security.AuthorizationPolicy]) ExplainedPolicy {
	ap := byName[step.Policy]
	rule := func(i int) string { return ap.At("spec.rules[" + strconv.Itoa(i) + "]") }
	e := ExplainedPolicy{Source: ap.Source, Action: step.Action.String(), DryRun: step.DryRun}
	if step.Action == authz.Custom {
		e.Provider = ap.Spec.GetProvider().GetName()
	}
	for i, reason := range step.Reasons {
		e.Passed = append(e.Passed, PassedRule{Source: rule(i), Reason: reason})
	}
	if step.Rule >= 0 {
		e.Rule = rule(step.Rule)
	}
	return e
}

// String is the explanation as text for a terminal, over several lines.
func (a Admission) String() string {
	var b strings.Builder
	who := "a caller in plain text"
	if a.Caller != "" {
		who = a.Caller
	}
	fmt.Fprintf(&b, "%s %s%s, port %d, from %s\n\n", a.Method, a.Host, a.Path, a.Port, who)
	a.write(&b)
	return b.String()
}

// write writes all but the request.
func (a *Admission) write(b *strings.Builder) {
	writeSettings(b, a.Settings)
	for _, p := range slices.SortedStableFunc(slices.Values(a.Passed), func(x, y PassedResource) int { return strings.Compare(x.Source, y.Source) }) {
		fmt.Fprintf(b, "\nnot %s\n    %s\n", p.Source, p.Reason)
	}
	for _, p := range a.Policies {
		what := p.Action
		if p.DryRun {
			what += " (dry run)"
		}
		if p.Provider != "" {
			what += " by " + p.Provider
		}
		fmt.Fprintf(b, "\n%s policy (%s)\n", what, p.Source)
		for _, r := range p.Passed {
			fmt.Fprintf(b, "    not rule (%s)\n        %s\n", r.Source, r.Reason)
		}
		switch {
		case p.Rule != "":
			fmt.Fprintf(b, "    rule (%s)\n", p.Rule)
		case len(p.Passed) == 0:
			b.WriteString("    it has no rules, and matches nothing\n")
		}
	}
	fmt.Fprintf(b, "\n%s\n", a.Verdict)
}
