package security

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "istio.io/api/security/v1beta1"
	selector "istio.io/api/type/v1beta1"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/mtls"
)

// A Passed resource, or part of one, is not what holds for a workload.
type Passed struct{ Source, Reason string }

// unreached says why a resource is not for a workload, and is empty for one that is.
func (w *World) unreached(namespace string, s *selector.WorkloadSelector, to Workload) string {
	own := cmp.Or(to.Namespace, "default")
	switch {
	case namespace != w.root() && namespace != own:
		return fmt.Sprintf("is for the namespace %s, and the workload is in %s", namespace, own)
	case !has(to.Labels, s.GetMatchLabels()):
		return "is for workloads with the labels " + labels(s.GetMatchLabels())
	}
	return ""
}

func labels(m map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return strings.Join(all, ",")
}

// ExplainMode is the mode of one of a workload's ports, the place that it comes from,
// empty for Istio's default, and the PeerAuthentications that it does not come from.
func (w *World) ExplainMode(to Workload, port uint16) (mode mtls.Mode, source string, passed []Passed) {
	pass := func(pa *plan.Object[*api.PeerAuthentication], reason string) {
		passed = append(passed, Passed{pa.Source, reason})
	}
	scopes := w.scopes(to, pass)
	var chosen *plan.Object[*api.PeerAuthentication]
	for _, pa := range scopes {
		if pa == nil {
			continue
		}
		field := "spec.mtls.mode"
		said, ok := modeOf(pa.Spec.GetMtls().GetMode())
		if byPort, found := modeOf(pa.Spec.PortLevelMtls[uint32(port)].GetMode()); found && pa == scopes[len(scopes)-1] {
			said, ok, field = byPort, true, fmt.Sprintf("spec.portLevelMtls.%d.mode", port)
		}
		switch {
		case !ok:
			pass(pa, "leaves the mode as it is")
		case chosen != nil:
			pass(chosen, "is overridden by a narrower one, "+pa.Source)
			fallthrough
		default:
			mode, source, chosen = said, pa.At(field), pa
		}
	}
	return mode, source, passed
}

// A TokenRule is a rule for tokens and where it stands.
type TokenRule struct{ Issuer, Source string }

// ExplainTokens are the rules for tokens of a workload, and the
// RequestAuthentications that are not for it.
func (w *World) ExplainTokens(to Workload) (rules []TokenRule, passed []Passed) {
	for _, ra := range w.RequestAuthentications {
		if reason := cmp.Or(w.unreached(ra.Namespace, ra.Spec.Selector, to), target(ra.Spec)); reason != "" {
			passed = append(passed, Passed{ra.Source, reason})
			continue
		}
		for i, r := range ra.Spec.JwtRules {
			rules = append(rules, TokenRule{r.Issuer, ra.At(fmt.Sprintf("spec.jwtRules[%d]", i))})
		}
	}
	return rules, passed
}

// target says that a resource is for what it names, and not for workloads.
func target(spec interface {
	GetTargetRef() *selector.PolicyTargetReference
	GetTargetRefs() []*selector.PolicyTargetReference
}) string {
	if targeted(spec) {
		return "is for the targets that it names, and for no workload"
	}
	return ""
}

// ExplainPolicies are the AuthorizationPolicies for a workload, by the names that
// [World.Policies] gives them, and those that are not for it.
func (w *World) ExplainPolicies(to Workload) (byName map[string]plan.Object[*api.AuthorizationPolicy], passed []Passed) {
	byName = map[string]plan.Object[*api.AuthorizationPolicy]{}
	for _, ap := range w.AuthorizationPolicies {
		if reason := cmp.Or(w.unreached(ap.Namespace, ap.Spec.Selector, to), target(ap.Spec)); reason != "" {
			passed = append(passed, Passed{ap.Source, reason})
			continue
		}
		byName[policyName(ap)] = ap
	}
	return byName, passed
}

// policyName is the name by which Envoy logs a policy.
func policyName(ap plan.Object[*api.AuthorizationPolicy]) string {
	return "ns[" + ap.Namespace + "]-policy[" + ap.Name + "]"
}
