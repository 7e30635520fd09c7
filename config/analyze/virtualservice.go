package analyze

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/istio"
)

const meshGateway = "mesh"

// A target is a destination and where it stands.
type target struct {
	*networking.Destination
	field string
	what  string // "host" or "mirror"
}

// targets are all destinations of a VirtualService.
func targets(vs *networking.VirtualService) []target {
	var all []target
	add := func(d *networking.Destination, what, format string, args ...any) {
		if d != nil {
			all = append(all, target{d, fmt.Sprintf(format, args...), what})
		}
	}
	for i, r := range vs.Http {
		for j, to := range r.Route {
			add(to.Destination, "host", "spec.http[%d].route[%d].destination", i, j)
		}
		add(r.Mirror, "mirror", "spec.http[%d].mirror", i)
		for j, m := range r.Mirrors {
			add(m.Destination, "mirror", "spec.http[%d].mirrors[%d].destination", i, j)
		}
	}
	for i, r := range vs.Tls {
		for j, to := range r.Route {
			add(to.Destination, "host", "spec.tls[%d].route[%d].destination", i, j)
		}
	}
	for i, r := range vs.Tcp {
		for j, to := range r.Route {
			add(to.Destination, "host", "spec.tcp[%d].route[%d].destination", i, j)
		}
	}
	return all
}

// destinations checks that every destination is known, with its port and its
// subset.
func (a *analysis) destinations() {
	type hostSubset struct{ host, subset string }
	subsets := map[hostSubset]bool{}
	for _, dr := range a.rules {
		for _, s := range dr.Spec.Subsets {
			subsets[hostSubset{fqdn(dr.Spec.Host, dr.Namespace), s.Name}] = true
		}
	}
	for _, vs := range a.virtualServices {
		for _, to := range targets(vs.Spec) {
			a.destination(vs, to)
			if to.Subset != "" && !subsets[hostSubset{fqdn(to.Host, vs.Namespace), to.Subset}] {
				a.add("IST0101", istio.Error, vs.Resource, to.field+".subset",
					fmt.Sprintf("Referenced %s+subset in destinationrule not found: %q; requests to it get 503", to.what, to.Host+"+"+to.Subset),
					"define the subset in a DestinationRule for this host")
			}
		}
	}
}

func (a *analysis) destination(vs istio.Object[*networking.VirtualService], to target) {
	service := a.lookup(to.Host, vs.Namespace, vs.Spec.ExportTo)
	switch {
	case service == nil:
		advice := "add a Service or ServiceEntry for it"
		if name, namespace, ok := strings.Cut(to.Host, "."); ok && !strings.Contains(namespace, ".") {
			advice = fmt.Sprintf("a name with a dot is taken as it stands; a service of another namespace is %s.%s%s", name, namespace, clusterSuffix)
		}
		what := "host"
		if to.what == "mirror" {
			what = "mirror host"
		}
		a.add("IST0101", istio.Error, vs.Resource, to.field+".host", fmt.Sprintf("Referenced %s not found: %q; requests to it get 503", what, to.Host), advice)
	case to.Port == nil:
		if len(service.ports) > 1 {
			a.add("IST0112", istio.Error, vs.Resource, to.field+".host",
				fmt.Sprintf("This VirtualService routes to a service %q that exposes multiple ports %v; which one depends on the port that a request came in on", to.Host, service.ports),
				"give the destination a port")
		}
	case !slices.Contains(service.ports, to.Port.Number):
		a.add("IST0101", istio.Error, vs.Resource, to.field+".port",
			fmt.Sprintf("Referenced host:port not found: %q; requests to it get 503", fmt.Sprintf("%s:%d", to.Host, to.Port.Number)),
			fmt.Sprintf("the service has the ports %v", service.ports))
	}
}

// forMesh tells whether a VirtualService is for clients in the mesh.
func forMesh(vs *networking.VirtualService) bool {
	return len(vs.Gateways) == 0 || slices.Contains(vs.Gateways, meshGateway)
}

// meshHosts looks for VirtualServices of the mesh that share a host: only the
// oldest of them is in force for it.
func (a *analysis) meshHosts() {
	byHost := map[scopedHost][]*istio.Resource{}
	var order []scopedHost
	for _, vs := range a.virtualServices {
		if !forMesh(vs.Spec) {
			continue
		}
		for _, scope := range scopes(vs.Spec.ExportTo, vs.Namespace) {
			for _, host := range vs.Spec.Hosts {
				at := scopedHost{scope, fqdn(host, vs.Namespace)}
				if byHost[at] == nil {
					order = append(order, at)
				}
				byHost[at] = append(byHost[at], vs.Resource)
			}
		}
	}
	reported := map[*istio.Resource]bool{}
	for _, at := range order {
		rivals := slices.Clone(byHost[at])
		if at.scope != everybody {
			for _, other := range order {
				if other.scope == everybody && overlap(at.host, other.host) {
					rivals = append(rivals, byHost[other]...)
				}
			}
		}
		if len(rivals) < 2 {
			continue
		}
		names := make([]string, len(rivals))
		for i, r := range rivals {
			names[i] = fullName(r)
		}
		for _, r := range rivals {
			if !reported[r] {
				reported[r] = true
				a.add("IST0109", istio.Error, r, "metadata.name",
					fmt.Sprintf("The VirtualServices %s associated with mesh gateway define the same host %s/%s; the oldest wins it, the others are ignored for it", strings.Join(names, ","), at.scope, at.host),
					"merge them into one, or use delegation")
			}
		}
	}
}

// boundGateways checks the gateways that VirtualServices name.
func (a *analysis) boundGateways() {
	byName := map[string]istio.Object[*networking.Gateway]{}
	for _, g := range a.gateways {
		byName[fullName(g.Resource)] = g
	}
	for _, vs := range a.virtualServices {
		for i, name := range vs.Spec.Gateways {
			if name == meshGateway {
				continue
			}
			field := fmt.Sprintf("spec.gateways[%d]", i)
			if _, bare, _ := strings.Cut(name, "/"); strings.Contains(name, "~istio-autogenerated-k8s-gateway~") || strings.Contains(bare, "~istio-autogenerated-k8s-gateway~") {
				a.add("IST0165", istio.Warning, vs.Resource, field,
					fmt.Sprintf("Gateway reference in VirtualService %s is to an implementation-generated internal Gateway: %s", fullName(vs.Resource), name),
					"bind an HTTPRoute to the Gateway of the Gateway API instead")
				continue
			}
			if !strings.Contains(name, "/") {
				name = vs.Namespace + "/" + name
			}
			g, ok := byName[name]
			if !ok {
				a.add("IST0101", istio.Error, vs.Resource, field, fmt.Sprintf("Referenced gateway not found: %q; the rules are never used there", vs.Spec.Gateways[i]), "add the Gateway, or correct namespace/name")
			}
			if !ok || !servesHost(g, vs) {
				a.add("IST0132", istio.Warning, vs.Resource, field,
					fmt.Sprintf("one or more host %v defined in VirtualService %s not found in Gateway %s; requests for them get 404", vs.Spec.Hosts, fullName(vs.Resource), name),
					"give a server of the Gateway a host that takes them in, for this namespace")
			}
		}
	}
}

// servesHost tells whether a gateway serves a host of a VirtualService to its
// namespace.
func servesHost(g istio.Object[*networking.Gateway], vs istio.Object[*networking.VirtualService]) bool {
	for _, server := range g.Spec.Servers {
		for _, served := range server.Hosts {
			namespace, host, qualified := strings.Cut(served, "/")
			if !qualified {
				namespace, host = everybody, served
			}
			if namespace == "." {
				namespace = g.Namespace
			}
			if namespace != everybody && namespace != vs.Namespace {
				continue
			}
			if slices.ContainsFunc(vs.Spec.Hosts, func(h string) bool { return overlap(host, h) }) {
				return true
			}
		}
	}
	return false
}

// ingressRules looks for gateway-bound rules that send to a host whose subsets
// another VirtualService chooses: at a gateway that other one has no say.
func (a *analysis) ingressRules() {
	bySubset := map[string][]*istio.Resource{}
	for _, vs := range a.virtualServices {
		for _, r := range vs.Spec.Http {
			for _, to := range r.Route {
				if d := to.GetDestination(); d.GetSubset() != "" && slices.Contains(vs.Spec.Hosts, d.GetHost()) && !slices.Contains(bySubset[d.Host], vs.Resource) {
					bySubset[d.Host] = append(bySubset[d.Host], vs.Resource)
				}
			}
		}
	}
	for _, vs := range a.virtualServices {
		if len(vs.Spec.Gateways) == 0 {
			continue
		}
		for i, r := range vs.Spec.Http {
			for j, to := range r.Route {
				if to.GetDestination().GetSubset() != "" {
					continue
				}
				for _, other := range bySubset[to.GetDestination().GetHost()] {
					a.add("IST0140", istio.Warning, vs.Resource, fmt.Sprintf("spec.http[%d].route[%d].destination.host", i, j),
						fmt.Sprintf("Subset in virtual service %s has no effect on ingress gateway %s requests", fullName(other), fullName(vs.Resource)),
						"name the subsets in this VirtualService too")
				}
			}
		}
	}
}

// claims looks for routes by claims of tokens that nobody verifies.
func (a *analysis) claims() {
	for _, vs := range a.virtualServices {
		key, field := claimOf(vs.Spec)
		if key == "" {
			continue
		}
		for _, name := range vs.Spec.Gateways {
			if !strings.Contains(name, "/") {
				name = vs.Namespace + "/" + name
			}
			for _, g := range a.gateways {
				if fullName(g.Resource) == name {
					a.unverified(vs, g, key, field)
				}
			}
		}
	}
}

func (a *analysis) unverified(vs istio.Object[*networking.VirtualService], g istio.Object[*networking.Gateway], key, field string) {
	for _, p := range a.pods {
		if !selects(g.Spec.Selector, p.Labels) {
			continue
		}
		verified := slices.ContainsFunc(a.authentications, func(ra istio.Object[*authentication]) bool {
			return (ra.Namespace == a.rootNamespace() || ra.Namespace == p.namespace) && selects(ra.Spec.GetSelector().GetMatchLabels(), p.Labels)
		})
		if !verified {
			a.add("IST0149", istio.Error, vs.Resource, field,
				fmt.Sprintf("The virtual service uses the JWT claim based routing (key: %s) but found no request authentication for the gateway (%s) pod (%s)", key, fullName(g.Resource), p.name),
				"add a RequestAuthentication that selects the gateway")
		}
	}
}

// claimOf is the first header match that stands for a claim of a token.
func claimOf(vs *networking.VirtualService) (key, field string) {
	for i, r := range vs.Http {
		for j, m := range r.Match {
			for name, headers := range map[string]map[string]*networking.StringMatch{"headers": m.Headers, "withoutHeaders": m.WithoutHeaders} {
				for header := range headers {
					if strings.HasPrefix(strings.ToLower(header), "@request.auth.claims") && (key == "" || header < key) {
						key, field = header, fmt.Sprintf("spec.http[%d].match[%d].%s[%s]", i, j, name, header)
					}
				}
			}
		}
	}
	return key, field
}

// rootNamespace is where resources for the whole mesh stand.
func (a *analysis) rootNamespace() string {
	if ns := a.mesh.GetRootNamespace(); ns != "" {
		return ns
	}
	return "istio-system"
}
