package plan

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// A VirtualHost is one host, or a set of names for one, and the rules for it.
// The first rule that matches counts.
type VirtualHost struct {
	Domains []string
	Rules   []Rule
	Source  string // the VirtualService; empty for a service that has none
	HTTPS   bool   // a gateway's: requests are sent to https, whatever the rules
}

// httpPort is the port on which hosts count that no service has.
const httpPort = 80

// anyPort stands for every port on which no service is asked for.
const anyPort = 0

// hosts are the virtual hosts for requests to a port, as a workload of the mesh
// has them (section "Which VirtualServices apply" of Istio's API).
func (v *view) hosts(port uint32) []VirtualHost {
	h := hosts{view: v, port: port, services: map[string]*Service{}, named: map[string]bool{}, domains: map[string]bool{}}
	for host, s := range v.services {
		if p := s.port(port); p != nil && p.isHTTP() {
			h.services[host] = s
		}
	}
	visible := v.visibleVirtualServices()
	claims := firstClaims(visible)
	for i := range visible {
		h.addVirtualService(&visible[i], claims)
	}
	for _, host := range sortedKeys(v.services) {
		// A port of another protocol has no rules: all goes to the service.
		if s := v.services[host]; s.port(port) != nil {
			h.add(host, s, []Rule{v.defaultRule(s, port)}, "")
		}
	}
	return h.all
}

// hosts collects the virtual hosts of one port.
type hosts struct {
	*view
	port     uint32
	services map[string]*Service // that speak HTTP on the port
	named    map[string]bool     // hosts that have their rules
	domains  map[string]bool     // names that are taken
	all      []VirtualHost
}

// addVirtualService adds the hosts of a VirtualService. One that yields no rule
// for this client counts as absent.
func (h *hosts) addVirtualService(vs *Object[*networking.VirtualService], claims map[string]*Object[*networking.VirtualService]) {
	rules := h.compile(*vs, h.port)
	if len(rules) == 0 {
		return
	}
	var others, services []string
	for _, host := range vs.Spec.Hosts {
		switch {
		case !isWild(host) && h.services[host] != nil:
			services = append(services, host)
		case !isWild(host):
			others = append(others, host)
		default: // also where it is the host of a service itself
			// A wildcard that takes in services is for those of them that have no
			// VirtualService of a more specific host, and for nothing else.
			none := true
			for _, s := range sortedKeys(h.services) {
				if !covers(host, s) && !covers(s, host) {
					continue
				}
				none = false
				if claim, _ := mostSpecific(claims, s); claim == vs {
					services = append(services, s)
				}
			}
			if none {
				others = append(others, host)
			}
		}
	}
	if len(services) > 0 || h.port == httpPort || h.port == anyPort {
		for _, host := range others {
			h.add(host, nil, rules, vs.Source)
		}
	}
	for _, host := range services {
		h.add(host, h.services[host], rules, vs.Source)
	}
}

// add adds a virtual host, unless that host has its rules already, with those of
// its names that no other has. s is nil for a host that is no service.
func (h *hosts) add(host string, s *Service, rules []Rule, source string) {
	if h.named[host] {
		return
	}
	h.named[host] = true
	vh := VirtualHost{Rules: rules, Source: source}
	take := func(domain string) {
		if !h.domains[domain] {
			h.domains[domain] = true
			vh.Domains = append(vh.Domains, domain)
		}
	}
	take(host)
	if s != nil {
		for _, name := range append(slices.Clone(s.aliases), host) {
			if name != host {
				take(name)
			}
			for _, other := range h.view.domains(name) {
				// The short form of one service can be the full name of another.
				if s := h.view.services[other]; s == nil || s.port(h.port) == nil {
					take(other)
				}
			}
		}
		for _, a := range s.Addresses {
			take(a)
		}
	}
	if len(vh.Domains) > 0 {
		h.all = append(h.all, vh)
	}
}

// visibleVirtualServices are those that the client sees and that are for it, in
// the order in which they count: what is private to its namespace before what was
// exported to it before what is public.
func (v *view) visibleVirtualServices() []Object[*networking.VirtualService] {
	seen := byNearness(v.virtualServices, v.client.Namespace, func(vs *networking.VirtualService) []string {
		return exports(vs.ExportTo, v.Mesh.GetDefaultVirtualServiceExportTo())
	})
	return slices.DeleteFunc(seen, func(vs Object[*networking.VirtualService]) bool {
		return len(vs.Spec.Hosts) == 0 || !appliesTo(vs.Spec.Gateways, v.client.Gateways)
	})
}

// firstClaims is the VirtualService that names each host first.
func firstClaims(visible []Object[*networking.VirtualService]) map[string]*Object[*networking.VirtualService] {
	claims := map[string]*Object[*networking.VirtualService]{}
	for i := range visible {
		for _, host := range visible[i].Spec.Hosts {
			if claims[host] == nil {
				claims[host] = &visible[i]
			}
		}
	}
	return claims
}

// appliesTo reports whether a list of gateways takes in the client: without any
// it is the mesh.
func appliesTo(gateways, client []string) bool {
	if len(client) == 0 {
		return len(gateways) == 0 || slices.Contains(gateways, meshGateway)
	}
	return slices.ContainsFunc(gateways, func(g string) bool { return slices.Contains(client, g) })
}

// isHTTP reports whether Istio routes requests on the port: it does where the
// protocol is one of HTTP's, and where none is given and a proxy would look at the
// first bytes.
func (p *Port) isHTTP() bool {
	switch strings.ToUpper(p.Protocol) {
	case "TCP", "UDP", "TLS", "HTTPS", "MONGO", "REDIS", "MYSQL":
		return false
	}
	return true
}
