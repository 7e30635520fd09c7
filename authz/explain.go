package authz

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// A Step is one policy on the way to a decision.
type Step struct {
	Policy string
	Action Action
	DryRun bool // it decides nothing
	Rule   int  // the first rule that matches; -1 if none does

	// Reasons say why the rules before that one do not match, or why none does: one
	// for each, in their order.
	Reasons []string
}

// named is a policy in the order of the configuration.
type named struct {
	policy string
	action Action
	dryRun bool
	rules  []rule
}

// Explain says how [Authorizer.Decide] would judge r, and every policy that it
// meets on the way: those that ask, those that refuse, those that note, and if none
// refuses those that allow. Nobody is asked: a request that a policy with the action
// Custom matches counts as one that was let through. Nothing is counted.
func (a *Authorizer) Explain(r *http.Request) (Decision, []Step) {
	p := a.now.Load()
	view := match.ViewOf(r)
	path, ok := match.NormalizePath(view.Path(), p.paths)
	if !ok || strings.Contains(r.URL.RawQuery, "#") {
		return Decision{Err: errPath}, nil
	}
	f := &facts{r: r, hops: p.hops, path: path}
	var steps []Step
	for _, action := range [...]Action{Custom, Deny, Audit, Allow} {
		for _, one := range p.all {
			if one.action != action {
				continue
			}
			step := one.explain(f)
			steps = append(steps, step)
			if decides := action == Deny || action == Allow; decides && !step.DryRun && step.Rule >= 0 {
				return Decision{Allowed: action == Allow, Action: action, Policy: one.policy, Rule: step.Rule}, steps
			}
		}
	}
	return Decision{Allowed: !p.allows}, steps
}

func (n *named) explain(f *facts) Step {
	s := Step{Policy: n.policy, Action: n.action, DryRun: n.dryRun, Rule: -1}
	for i := range n.rules {
		reason := n.rules[i].misfit(f)
		if reason == "" {
			s.Rule = i
			break
		}
		s.Reasons = append(s.Reasons, reason)
	}
	return s
}

// misfit says why a rule does not match, and is empty for one that does.
func (r *rule) misfit(f *facts) string {
	if reason := noneHolds("from", r.from, f); reason != "" {
		return reason
	}
	if reason := noneHolds("to", r.to, f); reason != "" {
		return reason
	}
	if t := r.when.failing(f); t != nil {
		return "when: " + t.misfit(f)
	}
	return ""
}

// noneHolds says of each alternative why it does not hold, unless one does.
func noneHolds(what string, alternatives []tests, f *facts) string {
	var reasons []string
	for i, t := range alternatives {
		failing := t.failing(f)
		if failing == nil {
			return ""
		}
		reasons = append(reasons, what+"["+strconv.Itoa(i)+"]: "+failing.misfit(f))
	}
	return strings.Join(reasons, "; ")
}

func (t tests) failing(f *facts) *test {
	for i := range t {
		if !t[i].holds(f) {
			return &t[i]
		}
	}
	return nil
}

// misfit tells a test that does not hold with what the request has.
func (t *test) misfit(f *facts) string {
	has, there := t.shown(f)
	switch {
	case !there:
		return t.what() + " is not there"
	case t.not:
		return fmt.Sprintf("%s %s is one of those that are kept out", t.what(), has)
	}
	return fmt.Sprintf("%s %s is none of those that are asked for", t.what(), has)
}

// what is the attribute in words.
func (t *test) what() string {
	switch t.attribute {
	case principal:
		return "the principal"
	case namespace:
		return "the caller's namespace"
	case account:
		return "the service account"
	case trustDomain:
		return "the trust domain"
	case requestPrincipal:
		return "the token's principal"
	case host:
		return "the host"
	case method:
		return "the method"
	case path:
		return "the path"
	case serverName:
		return "the server's name in TLS"
	case portText, port:
		return "the port"
	case header:
		return "the header " + t.name[0]
	case claim:
		return "the claim " + strings.Join(t.name, ".")
	case peerAddr:
		return "the address of the connection"
	case remoteAddr:
		return "the address of the first client"
	}
	return "the address of this server"
}

// shown is what the request has, as one would write it.
func (t *test) shown(f *facts) (text string, there bool) {
	switch t.attribute {
	case portText, port:
		a, ok := f.localAddr()
		return strconv.Itoa(int(a.Port())), ok
	case peerAddr:
		a, ok := f.peerAddr()
		return a.String(), ok
	case remoteAddr:
		a, ok := f.remoteAddr()
		return a.String(), ok
	case localAddr:
		a, ok := f.localAddr()
		return a.Addr().String(), ok
	case header:
		return t.shownHeader(f)
	case claim:
		return shownClaim(f.claims(), t.name)
	case requestPrincipal:
		v, ok := f.text(requestPrincipal)
		return strconv.Quote(strings.Replace(v, RequestPrincipal("", ""), "/", 1)), ok
	}
	v, ok := f.text(t.attribute)
	return strconv.Quote(v), ok
}

func (t *test) shownHeader(f *facts) (text string, there bool) {
	name := t.name[0]
	if name == "Host" || name[0] == ':' {
		v, ok := f.pseudo(name)
		return strconv.Quote(v), ok
	}
	lines := f.r.Header[name]
	quoted := make([]string, len(lines))
	for i, line := range lines {
		quoted[i] = strconv.Quote(line)
	}
	return strings.Join(quoted, ", "), len(lines) > 0
}

func shownClaim(claims map[string]any, way []string) (text string, there bool) {
	v, ok := claims[way[0]]
	if len(way) == 1 || !ok {
		return fmt.Sprintf("%q", fmt.Sprint(v)), ok
	}
	inner, _ := v.(map[string]any)
	return shownClaim(inner, way[1:])
}
