package analyze

import (
	"slices"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/istio"
)

// An analysis looks at all objects at once. Refused ones take part as far as
// they could be read.
type analysis struct {
	findings    []Finding
	fields      map[*istio.Resource][]place // what findings are about, to look up their lines
	unreachable map[*istio.Resource]bool    // reading has said that a rule of it is not reached

	mesh            *meshconfig.MeshConfig
	services        []istio.Object[*kube.Service]
	virtualServices []istio.Object[*networking.VirtualService]
	rules           []istio.Object[*networking.DestinationRule]
	entries         []istio.Object[*networking.ServiceEntry]
	workloads       []istio.Object[*networking.WorkloadEntry]
	gateways        []istio.Object[*networking.Gateway]
	sidecars        []istio.Object[*networking.Sidecar]
	authorizations  []istio.Object[*security.AuthorizationPolicy]
	authentications []istio.Object[*security.RequestAuthentication]
	definitions     []istio.Object[*kube.CustomResourceDefinition]
	namespaces      map[string]map[string]string // their labels, by name
	nodes           map[string]map[string]string // likewise
	pods            []pod
	kubernetes      bool // Pods or Services are among the documents

	hosts     map[scopedHost]*known // services, by who sees them and their full name
	wildcards []scopedHost          // those of hosts that begin with *
}

// A pod is a Pod, or what a Deployment or its like would make.
type pod struct {
	namespace, name string
	*kube.Pod
}

// A scopedHost is a host as namespace sees it, or all namespaces as "*".
type scopedHost struct{ scope, host string }

// A known is a service that destinations can name.
type known struct {
	ports    []uint32
	selector map[string]string // of its workloads
}

const everybody = "*"

// newAnalysis indexes what was read. Beside it there always is Istio's own
// ingress gateway, so that whoever uses that need not bring its Pod along.
func newAnalysis(c *istio.Config) *analysis {
	a := &analysis{
		fields:          map[*istio.Resource][]place{},
		unreachable:     map[*istio.Resource]bool{},
		mesh:            c.MeshConfig().Spec,
		services:        all[*kube.Service](c),
		virtualServices: all[*networking.VirtualService](c),
		rules:           all[*networking.DestinationRule](c),
		entries:         all[*networking.ServiceEntry](c),
		workloads:       all[*networking.WorkloadEntry](c),
		gateways:        all[*networking.Gateway](c),
		sidecars:        all[*networking.Sidecar](c),
		authorizations:  all[*security.AuthorizationPolicy](c),
		authentications: all[*security.RequestAuthentication](c),
		definitions:     all[*kube.CustomResourceDefinition](c),
		namespaces:      map[string]map[string]string{},
		nodes:           map[string]map[string]string{},
		hosts:           map[scopedHost]*known{},
	}
	for _, n := range all[*kube.Namespace](c) {
		a.namespaces[n.Name] = n.Labels
	}
	for _, n := range all[*kube.Node](c) {
		a.nodes[n.Name] = n.Labels
	}
	for _, p := range all[*kube.Pod](c) {
		a.pods = append(a.pods, pod{p.Namespace, p.Name, p.Spec})
	}
	a.kubernetes = len(a.pods)+len(a.services) > 0
	a.addIngress()
	a.indexHosts()
	return a
}

// all are the objects with specs of one type, refused ones too.
func all[T any](c *istio.Config) []istio.Object[T] {
	var list []istio.Object[T]
	for r := range c.All() {
		if spec, ok := r.Spec.(T); ok {
			list = append(list, istio.Object[T]{Resource: r, Spec: spec})
		}
	}
	return list
}

// addIngress adds the ingress gateway that comes with Istio.
func (a *analysis) addIngress() {
	const namespace, name = "istio-system", "istio-ingressgateway"
	labels := map[string]string{"istio": "ingressgateway"}
	service := &kube.Service{Selector: labels}
	for _, port := range []uint32{80, 443, 31400, 15443} {
		service.Ports = append(service.Ports, kube.ServicePort{Port: port})
	}
	a.services = append(a.services, istio.Object[*kube.Service]{
		Resource: &istio.Resource{Kind: "Service", Namespace: namespace, Name: name}, Spec: service,
	})
	a.pods = append(a.pods, pod{namespace, name, &kube.Pod{Labels: labels}})
}

// indexHosts notes what names destinations can have, and for whom.
func (a *analysis) indexHosts() {
	for _, se := range a.entries {
		k := &known{selector: se.Spec.GetWorkloadSelector().GetLabels()}
		for _, p := range se.Spec.Ports {
			k.ports = append(k.ports, p.Number)
		}
		for _, host := range se.Spec.Hosts {
			for _, scope := range scopes(se.Spec.ExportTo, se.Namespace) {
				at := scopedHost{scope, fqdn(host, se.Namespace)}
				a.hosts[at] = k
				if strings.HasPrefix(host, "*") {
					a.wildcards = append(a.wildcards, at)
				}
			}
		}
	}
	for _, s := range a.services {
		k := &known{}
		for _, p := range s.Spec.Ports {
			k.ports = append(k.ports, p.Port)
		}
		var exports []string
		if annotation := s.Annotations["networking.istio.io/exportTo"]; annotation != "" {
			for e := range strings.SplitSeq(annotation, ",") {
				exports = append(exports, strings.TrimSpace(e))
			}
		}
		for _, scope := range scopes(exports, s.Namespace) {
			a.hosts[scopedHost{scope, fqdn(s.Name, s.Namespace)}] = k
		}
	}
}

// lookup finds the service that a host stands for in a resource of namespace
// with these exports, or nil.
func (a *analysis) lookup(host, namespace string, exports []string) *known {
	name := fqdn(host, namespace)
	if k := a.hosts[scopedHost{everybody, name}]; k != nil {
		return k
	}
	visible := []string{namespace}
	if len(exports) > 0 {
		visible = nil
		for _, e := range exports {
			if e == "." {
				e = namespace
			}
			visible = append(visible, e)
		}
	}
	for _, scope := range visible {
		if k := a.hosts[scopedHost{scope, name}]; k != nil {
			return k
		}
	}
	for _, at := range a.wildcards {
		if (at.scope == everybody || at.scope == namespace) && strings.HasSuffix(strings.TrimPrefix(host, "*"), at.host[1:]) {
			return a.hosts[at]
		}
	}
	return nil
}

// scopes are the namespaces that exports reach.
func scopes(exports []string, namespace string) []string {
	if len(exports) == 0 || slices.Contains(exports, everybody) {
		return []string{everybody}
	}
	var list []string
	for _, e := range exports {
		if e == "." {
			e = namespace
		}
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

const clusterSuffix = ".svc.cluster.local"

// fqdn is the full name of a host in a resource of namespace.
func fqdn(host, namespace string) string {
	if strings.HasPrefix(host, "*") || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + clusterSuffix
}

// overlap tells whether some name fits both hosts, either of which may begin
// with a wildcard.
func overlap(a, b string) bool {
	aSuffix, aWild := strings.CutPrefix(a, "*")
	bSuffix, bWild := strings.CutPrefix(b, "*")
	switch {
	case aWild && bWild:
		return strings.HasSuffix(aSuffix, bSuffix) || strings.HasSuffix(bSuffix, aSuffix)
	case aWild:
		return strings.HasSuffix(b, aSuffix)
	case bWild:
		return strings.HasSuffix(a, bSuffix)
	}
	return a == b
}

// selects tells whether labels have all of a selector's.
func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if got, ok := labels[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// written is a selector as text: a=b,c=d in the order of names.
func written(selector map[string]string) string {
	var parts []string
	for name, value := range selector {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
