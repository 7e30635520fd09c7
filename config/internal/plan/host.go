package plan

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// meshGateway is the reserved name of all workloads of the mesh that are no
// gateways.
const meshGateway = "mesh"

// A VirtualHost is one host, or a set of names for one, and the rules for it.
// The first rule that matches counts.
type VirtualHost struct {
	Domains []string
	Rules   []Rule
	Source  string // the VirtualService; empty for a service that has none
}

// Hosts are the virtual hosts for requests to a port, as a workload of the mesh
// has them (section "Which VirtualServices apply" of Istio's API).
func (v *view) hosts(port uint32) []VirtualHost {
	claims := v.claims()
	var all []VirtualHost
	taken := map[string]bool{}
	for _, host := range sortedKeys(v.services) {
		s := v.services[host]
		if s.port(port) == nil {
			continue
		}
		vh := VirtualHost{Domains: append(v.domains(host), s.Addresses...)}
		if vs, ok := mostSpecific(claims, host); ok {
			vh.Rules, vh.Source = v.compile(vs, port), vs.Source
		}
		// A VirtualService that yields no rule for this client counts as absent.
		if len(vh.Rules) == 0 {
			vh.Rules, vh.Source = []Rule{v.defaultRule(s, port)}, ""
		}
		taken[host] = true
		all = append(all, vh)
	}
	for _, host := range sortedKeys(claims) {
		if taken[host] || v.services[host] != nil {
			continue
		}
		vs := claims[host]
		if rules := v.compile(vs, port); len(rules) > 0 {
			all = append(all, VirtualHost{Domains: []string{host}, Rules: rules, Source: vs.Source})
		}
	}
	return all
}

// claims says which VirtualService has each host: the oldest of those that the
// client sees, what is private to its namespace before what was exported to it
// before what is public.
func (v *view) claims() map[string]Object[*networking.VirtualService] {
	claims := map[string]Object[*networking.VirtualService]{}
	for _, vs := range v.visibleVirtualServices() {
		if !appliesTo(vs.Spec.Gateways, vs.Namespace, v.client.Gateways) {
			continue
		}
		for _, host := range vs.Spec.Hosts {
			host = v.fqdn(host, vs.Namespace)
			if _, taken := claims[host]; !taken {
				claims[host] = vs
			}
		}
	}
	return claims
}

// visibleVirtualServices are those that the client sees, in the order in which
// they count.
func (v *view) visibleVirtualServices() []Object[*networking.VirtualService] {
	class := func(vs Object[*networking.VirtualService]) int {
		public := len(vs.Spec.ExportTo) == 0 || slices.Contains(vs.Spec.ExportTo, "*")
		private := vs.Namespace == v.client.Namespace &&
			(slices.Contains(vs.Spec.ExportTo, ".") || slices.Contains(vs.Spec.ExportTo, vs.Namespace))
		switch {
		case private:
			return 0
		case public:
			return 2
		}
		return 1
	}
	var seen []Object[*networking.VirtualService]
	for _, vs := range v.VirtualServices {
		if len(vs.Spec.Hosts) > 0 && exportedTo(vs.Spec.ExportTo, vs.Namespace, v.client.Namespace) {
			seen = append(seen, vs)
		}
	}
	slices.SortStableFunc(seen, func(a, b Object[*networking.VirtualService]) int { return class(a) - class(b) })
	return seen
}

// appliesTo reports whether a list of gateways takes in the client: without any
// it is the mesh.
func appliesTo(gateways []string, namespace string, client []string) bool {
	if len(gateways) == 0 {
		return len(client) == 0
	}
	for _, g := range gateways {
		if g == meshGateway {
			if len(client) == 0 {
				return true
			}
			continue
		}
		if slices.Contains(client, qualified(g, namespace)) {
			return true
		}
	}
	return false
}

// qualified is the namespace/name of a reference to a gateway made in namespace.
func qualified(gateway, namespace string) string {
	if rest, ok := strings.CutPrefix(gateway, "./"); ok {
		return namespace + "/" + rest
	}
	if strings.Contains(gateway, "/") {
		return gateway
	}
	return namespace + "/" + gateway
}

// mostSpecific is the claim with the most specific host that covers host.
func mostSpecific[T any](claims map[string]T, host string) (found T, ok bool) {
	if found, ok = claims[host]; ok {
		return found, true
	}
	best := ""
	for pattern, claim := range claims {
		if covers(pattern, host) && (best == "" || moreSpecific(pattern, best)) {
			best, found, ok = pattern, claim, true
		}
	}
	return found, ok
}
