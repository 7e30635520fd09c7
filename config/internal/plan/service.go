package plan

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/lb"
)

// A Service is a host of the registry.
type Service struct {
	Host       string
	Namespace  string
	Ports      []Port
	Addresses  []string // virtual IPs; for HTTP more names
	Resolution networking.ServiceEntry_Resolution
	External   bool
	SANs       []string // identities that its servers may have
	Source     string

	workloads []workload
}

// A Port is one on which a service is asked for.
type Port struct {
	Number   uint32
	Name     string
	Protocol string // in capitals, such as HTTP2
	Target   uint32 // on the endpoints, where they do not say otherwise
}

// A workload is one endpoint before a port is chosen.
type workload struct {
	entry *networking.WorkloadEntry
	ports []Port // of the ServiceEntry that brought it
	owner string // its namespace
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

// findServices are the services that the client sees, by host. Entries for one
// host add up their endpoints and ports.
func (v *view) findServices() map[string]*Service {
	services := map[string]*Service{}
	for _, se := range v.ServiceEntries {
		if !exportedTo(se.Spec.ExportTo, se.Namespace, v.client.Namespace) {
			continue
		}
		ports := portsOf(se.Spec)
		workloads := v.workloadsOf(se, ports)
		for _, host := range se.Spec.Hosts {
			host = strings.ToLower(host)
			s := services[host]
			if s == nil {
				s = &Service{
					Host: host, Namespace: se.Namespace, Resolution: se.Spec.Resolution,
					External: se.Spec.Location == networking.ServiceEntry_MESH_EXTERNAL, Source: se.Source,
				}
				services[host] = s
			}
			for _, p := range ports {
				if s.port(p.Number) == nil {
					s.Ports = append(s.Ports, p)
				}
			}
			for _, a := range se.Spec.Addresses {
				if !strings.Contains(a, "/") {
					s.Addresses = append(s.Addresses, a)
				}
			}
			s.SANs = append(s.SANs, se.Spec.SubjectAltNames...)
			s.workloads = append(s.workloads, workloads...)
		}
	}
	return services
}

func portsOf(se *networking.ServiceEntry) []Port {
	var ports []Port
	for _, p := range se.Ports {
		target := p.TargetPort
		if target == 0 {
			target = p.Number
		}
		ports = append(ports, Port{Number: p.Number, Name: p.Name, Protocol: strings.ToUpper(p.Protocol), Target: target})
	}
	return ports
}

// workloadsOf are the endpoints of an entry: those it lists, or those of its
// namespace that it selects; for DNS without either the host itself.
func (v *view) workloadsOf(se Object[*networking.ServiceEntry], ports []Port) []workload {
	var all []workload
	for _, e := range se.Spec.Endpoints {
		all = append(all, workload{e, ports, se.Namespace})
	}
	if selector := se.Spec.WorkloadSelector; selector != nil {
		for _, we := range v.WorkloadEntries {
			labels := we.Spec.Labels
			if len(labels) == 0 {
				labels = we.Labels
			}
			if we.Namespace == se.Namespace && contains(labels, selector.Labels) && (isDNS(se.Spec.Resolution) || isAddress(we.Spec.Address)) {
				all = append(all, workload{we.Spec, ports, we.Namespace})
			}
		}
	}
	if len(all) == 0 && isDNS(se.Spec.Resolution) && se.Spec.WorkloadSelector == nil {
		for _, host := range se.Spec.Hosts {
			all = append(all, workload{&networking.WorkloadEntry{Address: host}, ports, se.Namespace})
		}
	}
	return all
}

func isDNS(r networking.ServiceEntry_Resolution) bool {
	return r == networking.ServiceEntry_DNS || r == networking.ServiceEntry_DNS_ROUND_ROBIN
}

func isAddress(s string) bool { return net.ParseIP(s) != nil }

// Labels that Istio derives from an endpoint's locality and network, so that
// subsets and failover priorities can name them.
const (
	labelRegion   = "topology.kubernetes.io/region"
	labelZone     = "topology.kubernetes.io/zone"
	labelSubzone  = "topology.istio.io/subzone"
	labelNetwork  = "topology.istio.io/network"
	labelLocality = "istio-locality"
)

// endpoints are the service's endpoints for one of its ports, those of a subset
// if labels are given. Names that are no addresses stay names: discovery resolves
// them.
func (s *Service) endpoints(port *Port, subset map[string]string) ([]lb.Endpoint, error) {
	var all []lb.Endpoint
	for _, w := range s.workloads {
		e := w.entry
		locality, err := localityOf(e)
		if err != nil {
			return nil, fmt.Errorf("%s: endpoint %s: %w", s.Source, e.Address, err)
		}
		labels := endpointLabels(e, locality)
		if !contains(labels, subset) {
			continue
		}
		all = append(all, lb.Endpoint{
			Addr: w.address(port), Weight: e.Weight, Locality: locality, Labels: labels,
		})
	}
	return all, nil
}

// address is where the workload listens for port.
func (w workload) address(port *Port) string {
	if strings.HasPrefix(w.entry.Address, "unix://") {
		return w.entry.Address
	}
	number := port.Target
	for _, p := range w.ports {
		if p.Number == port.Number {
			number = p.Target
		}
	}
	if own, ok := w.entry.Ports[port.Name]; ok {
		number = own
	}
	return net.JoinHostPort(w.entry.Address, strconv.Itoa(int(number)))
}

// localityOf is where an endpoint says it is: in its field, else in a label that
// has dots for slashes.
func localityOf(e *networking.WorkloadEntry) (lb.Locality, error) {
	s := e.Locality
	if s == "" {
		s = strings.ReplaceAll(e.Labels[labelLocality], ".", "/")
	}
	return lb.ParseLocality(s)
}

func endpointLabels(e *networking.WorkloadEntry, l lb.Locality) map[string]string {
	labels := make(map[string]string, len(e.Labels)+4)
	for k, v := range e.Labels {
		labels[k] = v
	}
	for k, v := range map[string]string{labelRegion: l.Region, labelZone: l.Zone, labelSubzone: l.SubZone, labelNetwork: e.Network} {
		if _, given := labels[k]; v != "" && !given {
			labels[k] = v
		}
	}
	return labels
}
