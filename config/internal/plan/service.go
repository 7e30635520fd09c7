package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// A Service is a host of the registry.
type Service struct {
	Host       string
	Namespace  string
	Ports      []Port
	Addresses  []string // virtual IPs; for HTTP more names
	Resolution networking.ServiceEntry_Resolution
	External   bool
	SANs       []string // names that its servers' certificates may have, as the resource says
	Source     string

	aliases   []string // further names
	trusted   []string // domains that are as good as that of an identity
	workloads []workload
	merges    mergeKey
}

// A Port is one on which a service is asked for.
type Port struct {
	Number   uint32
	Name     string
	Protocol string // in capitals, such as HTTP2; empty where nothing is said
	Target   uint32 // on the endpoints, where they do not say otherwise
}

// port is the service's port of that number, or nil.
func (s *Service) port(number uint32) *Port {
	for i := range s.Ports {
		if s.Ports[i].Number == number {
			return &s.Ports[i]
		}
	}
	return nil
}

// Identities are the names that certificates of the service's servers may have in
// the mesh: those of the resource and the SPIFFE IDs of its workloads, also in the
// aliases of the trust domain, in order.
func (s *Service) Identities() []string {
	all := slices.Clone(s.SANs)
	for _, w := range s.workloads {
		if w.identity != "" {
			all = append(all, w.identity)
		}
	}
	for _, id := range slices.Clone(all) {
		// spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT; other names have no aliases.
		parts := strings.Split(id, "/")
		if len(parts) != 7 || parts[0] != "spiffe:" || parts[3] != "ns" || parts[5] != "sa" {
			continue
		}
		for _, parts[2] = range s.trusted {
			all = append(all, strings.Join(parts, "/"))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A mergeKey says which resources for one host make one service.
type mergeKey struct {
	namespace  string
	resolution networking.ServiceEntry_Resolution
	kubernetes bool
	rest       string // labels, selector and exports
}

func keyOf(se Object[*networking.ServiceEntry]) mergeKey {
	var rest strings.Builder
	for _, m := range []map[string]string{se.Labels, se.Spec.GetWorkloadSelector().GetLabels()} {
		for _, k := range sortedKeys(m) {
			rest.WriteString(k + "=" + m[k] + ",")
		}
		rest.WriteByte(';')
	}
	for _, e := range slices.Sorted(slices.Values(se.Spec.ExportTo)) {
		rest.WriteString(e + ",")
	}
	return mergeKey{namespace: se.Namespace, resolution: se.Spec.Resolution, rest: rest.String()}
}

// findServices are the services that the client sees, by host. The oldest resource
// for a host makes the service, but one of Kubernetes before any other. Others like
// it in its namespace add ports, and all others in its namespace endpoints.
func (v *view) findServices() map[string]*Service {
	services := map[string]*Service{}
	for _, s := range slices.Concat(v.kubernetesServices(), v.entryServices()) {
		have := services[s.Host]
		switch {
		case have == nil:
			services[s.Host] = s
		case have.merges == s.merges:
			for _, p := range s.Ports {
				if have.port(p.Number) == nil {
					have.Ports = append(have.Ports, p)
				}
			}
			have.Addresses = append(have.Addresses, s.Addresses...)
		}
	}
	for host, more := range v.entryWorkloads() {
		if s := services[host.name]; s != nil && s.Namespace == host.namespace {
			s.workloads = append(s.workloads, more.workloads...)
			s.SANs = append(s.SANs, more.names...)
		}
	}
	for _, s := range services {
		s.trusted = v.Mesh.GetTrustDomainAliases()
	}
	v.resolveAliases(services)
	return services
}

// entryServices are the ServiceEntries' hosts in the order in which they count.
func (v *view) entryServices() []*Service {
	var all []*Service
	for _, se := range byNearness(v.ServiceEntries, v.client.Namespace, func(se *networking.ServiceEntry) []string {
		return exports(se.ExportTo, v.Mesh.GetDefaultServiceExportTo())
	}) {
		for _, host := range se.Spec.Hosts {
			s := &Service{
				Host: strings.ToLower(host), Namespace: se.Namespace, Ports: portsOf(se.Spec), Resolution: se.Spec.Resolution,
				External: se.Spec.Location == networking.ServiceEntry_MESH_EXTERNAL, Source: se.Source, merges: keyOf(se),
			}
			for _, a := range se.Spec.Addresses {
				if !strings.Contains(a, "/") {
					s.Addresses = append(s.Addresses, a)
				}
			}
			all = append(all, s)
		}
	}
	return all
}

func portsOf(se *networking.ServiceEntry) []Port {
	var ports []Port
	for _, p := range se.Ports {
		ports = append(ports, Port{
			Number: p.Number, Name: p.Name, Protocol: strings.ToUpper(p.Protocol), Target: cmp.Or(p.TargetPort, p.Number),
		})
	}
	return ports
}

// resolveAliases makes of a service that is just another name of one that exists
// a name of that.
func (v *view) resolveAliases(services map[string]*Service) {
	maps.DeleteFunc(v.aliases, func(_, target string) bool { return services[target] == nil })
	for _, alias := range sortedKeys(v.aliases) {
		target := services[v.concrete(alias)]
		target.aliases = append(target.aliases, alias)
	}
	for alias := range v.aliases {
		delete(services, alias)
	}
}

// concrete is the host of the service that host is another name of, or host.
func (v *view) concrete(host string) string {
	// Names can go round in a circle.
	for range v.aliases {
		target, ok := v.aliases[host]
		if !ok {
			break
		}
		host = target
	}
	return host
}
