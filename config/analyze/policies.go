package analyze

import (
	"fmt"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/istio"
)

type authentication = security.RequestAuthentication

// policies checks that AuthorizationPolicies speak of workloads and namespaces
// that are there. It needs Pods and Namespaces among the documents.
func (a *analysis) policies() {
	for _, ap := range a.authorizations {
		if a.kubernetes {
			a.selected(ap)
		}
		if len(a.namespaces) > 0 {
			a.sourceNamespaces(ap)
		}
	}
}

// gatewayName is the label of the Pods of a Gateway of the Gateway API.
const gatewayName = "gateway.networking.k8s.io/gateway-name"

// selectors looks for policies that select Pods of a Gateway of the Gateway API,
// which only heeds policies that name it as their target.
func (a *analysis) selectors() {
	check := func(r *istio.Resource, labels map[string]string) {
		for _, p := range a.pods {
			if name, ok := p.Labels[gatewayName]; ok && p.namespace == r.Namespace && selects(labels, p.Labels) {
				a.add("IST0166", istio.Warning, r, "spec.selector",
					fmt.Sprintf("Ineffective selector on Kubernetes Gateway %s. Use the TargetRef field instead.", name),
					"write targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: "+name+"}]")
			}
		}
	}
	for _, ap := range a.authorizations {
		if ap.Spec.TargetRef == nil && ap.Spec.Selector != nil {
			check(ap.Resource, ap.Spec.Selector.MatchLabels)
		}
	}
	for _, ra := range a.authentications {
		if ra.Spec.TargetRef == nil && ra.Spec.Selector != nil {
			check(ra.Resource, ra.Spec.Selector.MatchLabels)
		}
	}
}

// selected looks for workloads in the mesh that a policy applies to.
func (a *analysis) selected(ap istio.Object[*security.AuthorizationPolicy]) {
	root := ap.Namespace == a.rootNamespace()
	if root && ap.Spec.Selector == nil {
		return // for the whole mesh
	}
	labels := ap.Spec.Selector.GetMatchLabels()
	for _, p := range a.pods {
		if (root || p.namespace == ap.Namespace) && a.inMesh(p) && selects(labels, p.Labels) {
			return
		}
	}
	a.add("IST0127", istio.Warning, ap.Resource, "spec.selector",
		fmt.Sprintf("No matching workloads for this resource with the following labels: %s", written(labels)),
		"correct the labels or the namespace of the policy")
}

// inMesh tells whether a Pod has, or is given, a sidecar, or is in an ambient
// mesh.
func (a *analysis) inMesh(p pod) bool {
	if p.Sidecar || p.Annotations["ambient.istio.io/redirection"] == "enabled" {
		return true
	}
	const inject = "sidecar.istio.io/inject"
	if v, ok := p.Labels[inject]; ok {
		return v == "true"
	}
	if v, ok := p.Annotations[inject]; ok {
		return v == "true"
	}
	return a.namespaces[p.namespace]["istio-injection"] == "enabled"
}

// sourceNamespaces checks that the namespaces of callers exist.
func (a *analysis) sourceNamespaces(ap istio.Object[*security.AuthorizationPolicy]) {
	for i, rule := range ap.Spec.Rules {
		for j, from := range rule.From {
			for _, f := range []struct {
				name   string
				values []string
			}{{"namespaces", from.Source.GetNamespaces()}, {"notNamespaces", from.Source.GetNotNamespaces()}} {
				for k, pattern := range f.values {
					if !a.someNamespace(pattern) {
						a.add("IST0101", istio.Error, ap.Resource, fmt.Sprintf("spec.rules[%d].from[%d].source.%s[%d]", i, j, f.name, k),
							fmt.Sprintf("Referenced namespace not found: %q", pattern), "correct the name, or add the Namespace")
					}
				}
			}
		}
	}
}

// someNamespace tells whether a namespace fits a pattern with a * at one end.
func (a *analysis) someNamespace(pattern string) bool {
	suffix, anyStart := strings.CutPrefix(pattern, "*")
	prefix, anyEnd := strings.CutSuffix(pattern, "*")
	for name := range a.namespaces {
		switch {
		case anyStart && strings.HasSuffix(name, suffix), !anyStart && anyEnd && strings.HasPrefix(name, prefix), strings.EqualFold(name, pattern):
			return true
		}
	}
	return pattern == "*"
}
