package security

import (
	"cmp"
	"slices"

	mesh "istio.io/api/mesh/v1alpha1"
	api "istio.io/api/security/v1beta1"
	selector "istio.io/api/type/v1beta1"

	"github.com/sidecarless/mesh/config/internal/plan"
)

// A World is everything that was loaded, the oldest first.
type World struct {
	PeerAuthentications    []plan.Object[*api.PeerAuthentication]
	RequestAuthentications []plan.Object[*api.RequestAuthentication]
	AuthorizationPolicies  []plan.Object[*api.AuthorizationPolicy]
	Mesh                   *mesh.MeshConfig // nil: the defaults
}

// A Workload is the server for which resources are sought.
type Workload struct {
	Namespace string // empty is "default"
	Labels    map[string]string
}

func (w *World) root() string {
	return cmp.Or(w.Mesh.GetRootNamespace(), plan.DefaultRootNamespace)
}

// TrustDomains are those of the mesh, its own first; nil if the mesh does not say.
func (w *World) TrustDomains() []string {
	if w.Mesh.GetTrustDomain() == "" && len(w.Mesh.GetTrustDomainAliases()) == 0 {
		return nil
	}
	return append([]string{cmp.Or(w.Mesh.GetTrustDomain(), plan.DefaultDomain)}, w.Mesh.GetTrustDomainAliases()...)
}

// reaches reports whether a resource of that namespace is for the workload: those
// of the root namespace are for every namespace, and a selector for the workloads
// that have its labels.
func (w *World) reaches(namespace string, s *selector.WorkloadSelector, to Workload) bool {
	return w.unreached(namespace, s, to) == ""
}

func has(labels, want map[string]string) bool {
	for k, v := range want {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// TokenRules are those by which tokens for the workload are verified. What names a
// target other than workloads is not for it.
func (w *World) TokenRules(to Workload) (rules []*api.JWTRule, source string) {
	for _, ra := range w.RequestAuthentications {
		if w.reaches(ra.Namespace, ra.Spec.Selector, to) && !targeted(ra.Spec) {
			rules = slices.Concat(rules, ra.Spec.JwtRules)
			source = cmp.Or(source, ra.Source)
		}
	}
	return rules, source
}

// targeted reports whether a resource is for gateways, waypoints or services that
// it names, and so for no workload.
func targeted(spec interface {
	GetTargetRef() *selector.PolicyTargetReference
	GetTargetRefs() []*selector.PolicyTargetReference
}) bool {
	return spec.GetTargetRef() != nil || len(spec.GetTargetRefs()) > 0
}
