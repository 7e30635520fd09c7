package istio

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	typebeta "istio.io/api/type/v1beta1"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Annotations that mean something to the admission check.
const (
	annotationDryRun          = "istio.io/dry-run"
	annotationReject          = "internal.istio.io/webhook-always-reject"
	annotationParents         = "internal.istio.io/parents"
	annotationParentNamespace = "internal.istio.io/parent-namespace"
)

// checkMetadata checks the name and the annotations of an object of Istio's.
func (c *checker) checkMetadata() {
	p := manifest.Top("metadata")
	if c.res.Name == "" && c.res.Kind != "MeshConfig" {
		c.add(CodeUnreadable, Error, p.Field("name"), nil, "is missing")
	}
	annotations := p.Field("annotations")
	for _, name := range []string{annotationReject, annotationParents, annotationParentNamespace} {
		if _, set := c.res.Annotations[name]; set {
			c.refuse(annotations.Key(name), nil, "is reserved to Istio itself")
		}
	}
	value, set := c.res.Annotations[annotationDryRun]
	if !set {
		return
	}
	at := annotations.Key(annotationDryRun)
	policy, ok := c.res.Spec.(*security.AuthorizationPolicy)
	switch {
	case !ok:
		c.refuse(at, nil, "only an AuthorizationPolicy can be tried out so")
	case policy.Action != security.AuthorizationPolicy_ALLOW && policy.Action != security.AuthorizationPolicy_DENY:
		c.refuse(at, nil, "only the actions ALLOW and DENY can be tried out, not %s", policy.Action)
	default:
		if _, err := strconv.ParseBool(value); err != nil {
			c.refuse(at, value, "must be true or false")
		}
	}
}

// exportTo checks the namespaces that an object is exported to. Only a
// ServiceEntry may hide itself with "~".
func (c *checker) exportTo(exports []string, hides bool) {
	p := manifest.Top("spec").Field("exportTo")
	seen := map[string]bool{}
	for i, name := range exports {
		key := name
		if name == "." {
			key = c.res.Namespace
		}
		switch {
		case seen[key]:
			c.refuse(p.At(i), name, "is given twice; . is the object's own namespace, %s", c.res.Namespace)
		case name == "~" && !hides:
			c.refuse(p.At(i), name, "only a ServiceEntry can be exported to nobody")
		case name != "." && name != "*" && name != "~" && !isLabel(name):
			c.refuse(p.At(i), name, "must be a namespace, . for the object's own or * for all")
		}
		seen[key] = true
	}
	if len(exports) > 1 {
		for _, alone := range []string{"*", "~"} {
			if seen[alone] {
				c.refuse(p, nil, "%s cannot stand beside other entries", alone)
			}
		}
	}
}

// labels checks labels that workloads are to have.
func (c *checker) labels(p *manifest.Path, labels map[string]string) {
	for _, key := range sortedKeys(labels) {
		if !isLabelKey(key) {
			c.refuse(p.Key(key), nil, "%q cannot be the name of a label", key)
		}
		if value := labels[key]; value != "" && !isQualified(value) {
			c.refuse(p.Key(key), value, "cannot be the value of a label: letters, digits, -, _ and ., with a letter or digit at both ends")
		}
	}
}

// isLabelKey tells whether s can be the name of a label: an optional DNS name
// and a slash, then a name of at most 63 characters.
func isLabelKey(s string) bool {
	prefix, name, grouped := strings.Cut(s, "/")
	if !grouped {
		prefix, name = "", s
	}
	if grouped {
		for label := range strings.SplitSeq(prefix, ".") {
			if !hasLabelForm(label) {
				return false
			}
		}
	}
	return len(prefix) <= 253 && len(name) <= 63 && isQualified(name)
}

// isQualified tells whether s is letters, digits, -, _ and ., with a letter or
// digit at both ends.
func isQualified(s string) bool {
	if s == "" || !isAlphanumeric(s[0]) || !isAlphanumeric(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("-_.", s[i]) < 0 {
			return false
		}
	}
	return true
}

// selector checks the selector of a policy.
func (c *checker) selector(p *manifest.Path, s *typebeta.WorkloadSelector) {
	if s == nil {
		return
	}
	c.selectorLabels(p.Field("matchLabels"), s.MatchLabels)
	if len(s.MatchLabels) == 0 {
		c.warn(p, nil, "selects no labels, so it is the same as none: every workload in the policy's reach")
	}
}

// workloads checks the selector of a ServiceEntry or Sidecar. It reports
// whether there was an error.
func (c *checker) workloads(p *manifest.Path, s *networking.WorkloadSelector) bool {
	return c.selectorLabels(p.Field("labels"), s.GetLabels())
}

func (c *checker) selectorLabels(p *manifest.Path, labels map[string]string) (failed bool) {
	for _, key := range sortedKeys(labels) {
		switch {
		case key == "":
			c.refuse(p, nil, "the name of a label must not be empty")
		case strings.Contains(key, "*"), strings.Contains(labels[key], "*"):
			c.refuse(p.Key(key), labels[key], "a selector knows no wildcards: it compares names and values as they stand")
		default:
			continue
		}
		failed = true
	}
	return failed
}

// target checks what a policy is attached to by selector or reference.
func (c *checker) target(s *typebeta.WorkloadSelector, one *typebeta.PolicyTargetReference, many []*typebeta.PolicyTargetReference) {
	p := manifest.Top("spec")
	set := 0
	for _, is := range []bool{s != nil, one != nil, len(many) > 0} {
		if is {
			set++
		}
	}
	if set > 1 {
		c.refuse(p.Field("targetRefs"), nil, "only one of selector, targetRef and targetRefs may be given")
	}
	c.selector(p.Field("selector"), s)
	c.reference(p.Field("targetRef"), one)
	for i, ref := range many {
		c.reference(p.Field("targetRefs").At(i), ref)
	}
}

// reference checks a reference to an object that a policy is attached to.
func (c *checker) reference(p *manifest.Path, ref *typebeta.PolicyTargetReference) {
	if ref == nil {
		return
	}
	if ref.Name == "" {
		c.refuse(p.Field("name"), nil, "must not be empty")
	}
	if ref.Namespace != "" {
		c.refuse(p.Field("namespace"), ref.Namespace, "must be left out: a policy is attached within its own namespace")
	}
	switch ref.Group + "/" + ref.Kind {
	case "/Service", "core/Service", "networking.istio.io/ServiceEntry", "gateway.networking.k8s.io/Gateway", "gateway.networking.k8s.io/GatewayClass":
	default:
		c.refuse(p.Field("kind"), ref.Group+"/"+ref.Kind, "must be a Service, a ServiceEntry (networking.istio.io), or a Gateway or GatewayClass (gateway.networking.k8s.io)")
	}
}

// configMap checks a credential that is a ConfigMap: configmap://namespace/name.
func (c *checker) configMap(p *manifest.Path, credential string) {
	rest, ok := strings.CutPrefix(credential, "configmap://")
	if !ok {
		return
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		c.refuse(p, credential, "must have the form configmap://NAMESPACE/NAME")
	} else if parts[0] != c.res.Namespace {
		c.refuse(p, credential, "must be of the object's own namespace, %s", c.res.Namespace)
	}
}

// sortedKeys are the keys of a map in their order, so that messages come in
// one order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
