package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/lb"
)

// A workload is one endpoint before a port is chosen.
type workload struct {
	address  string
	ports    map[string]uint32 // where it listens, by the names of the service's ports that it serves
	labels   map[string]string
	locality lb.Locality
	weight   uint32
	identity string // its SPIFFE ID; empty if it has none
}

// unixPrefix begins the address of a workload that listens on a socket in the
// file system.
const unixPrefix = "unix://"

// endpoints are the service's endpoints for one of its ports, those of a subset
// if labels are given. Names that are no addresses stay names: discovery resolves
// them.
func (s *Service) endpoints(port *Port, subset map[string]string) []lb.Endpoint {
	var all []lb.Endpoint
	for _, w := range s.workloads {
		number, serves := w.ports[port.Name]
		if !serves || !contains(w.labels, subset) {
			continue
		}
		addr := w.address
		if !strings.HasPrefix(addr, unixPrefix) {
			addr = net.JoinHostPort(addr, strconv.Itoa(int(number)))
		}
		all = append(all, lb.Endpoint{Addr: addr, Weight: w.weight, Locality: w.locality, Labels: w.labels})
	}
	return all
}

// A hostKey is a host in a namespace.
type hostKey struct{ namespace, name string }

// An addition is what ServiceEntries give to a host of their namespace, whoever
// makes the service.
type addition struct {
	workloads []workload
	names     []string // of certificates
}

// entryWorkloads are the endpoints of all ServiceEntries by their hosts.
func (v *view) entryWorkloads() map[hostKey]*addition {
	all := map[hostKey]*addition{}
	for _, se := range v.ServiceEntries {
		ports := portsOf(se.Spec)
		entries := v.entriesOf(se)
		for _, host := range se.Spec.Hosts {
			host = strings.ToLower(host)
			key := hostKey{se.Namespace, host}
			if all[key] == nil {
				all[key] = &addition{}
			}
			add := all[key]
			add.names = append(add.names, se.Spec.SubjectAltNames...)
			for _, e := range entries {
				add.workloads = append(add.workloads, v.workload(e, ports, se))
			}
			if len(entries) == 0 && se.Spec.WorkloadSelector == nil && isNamed(se.Spec.Resolution, host) {
				// The host itself is the endpoint, and has no labels.
				add.workloads = append(add.workloads, workload{address: host, ports: targets(ports, nil)})
			}
		}
	}
	return all
}

// entriesOf are the endpoints that a ServiceEntry lists, or those of its namespace
// that it selects.
func (v *view) entriesOf(se Object[*networking.ServiceEntry]) []*networking.WorkloadEntry {
	if se.Spec.WorkloadSelector == nil {
		return se.Spec.Endpoints
	}
	var selected []*networking.WorkloadEntry
	byName := slices.SortedStableFunc(slices.Values(v.WorkloadEntries), func(a, b Object[*networking.WorkloadEntry]) int {
		return strings.Compare(a.Name, b.Name)
	})
	for _, we := range byName {
		// Labels of the object count as those of its spec, and before them.
		labels := union(we.Spec.Labels, we.Labels)
		if we.Namespace != se.Namespace || !contains(labels, se.Spec.WorkloadSelector.Labels) ||
			!isDNS(se.Spec.Resolution) && !isAddress(we.Spec.Address) {
			continue
		}
		selected = append(selected, &networking.WorkloadEntry{
			Address: we.Spec.Address, Ports: we.Spec.Ports, Labels: labels, Network: we.Spec.Network,
			Locality: we.Spec.Locality, Weight: we.Spec.Weight, ServiceAccount: we.Spec.ServiceAccount,
		})
	}
	return selected
}

func isDNS(r networking.ServiceEntry_Resolution) bool {
	return r == networking.ServiceEntry_DNS || r == networking.ServiceEntry_DNS_ROUND_ROBIN
}

// isNamed reports whether a host without endpoints is asked for by its name. With
// NONE a proxy goes where the caller wanted to, which is the same in a process.
func isNamed(r networking.ServiceEntry_Resolution, host string) bool {
	return isDNS(r) || r == networking.ServiceEntry_NONE && !isWild(host)
}

// workload is an endpoint of a ServiceEntry with ports.
func (v *view) workload(e *networking.WorkloadEntry, ports []Port, se Object[*networking.ServiceEntry]) workload {
	locality, err := localityOf(e)
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("%s: endpoint %s: %w", se.Source, e.Address, err))
	}
	w := workload{
		address: e.Address, ports: targets(ports, e.Ports), labels: labelsAt(e.Labels, locality, e.Network),
		locality: locality, weight: e.Weight,
	}
	if e.ServiceAccount != "" {
		w.identity = v.identity(se.Namespace, e.ServiceAccount)
	}
	return w
}

// targets are the ports that an endpoint listens on, by their names: its own, or
// else those that the service says.
func targets(ports []Port, own map[string]uint32) map[string]uint32 {
	all := make(map[string]uint32, len(ports))
	for _, p := range ports {
		all[p.Name] = cmp.Or(own[p.Name], p.Target)
	}
	return all
}

// identity is the SPIFFE ID of a service account.
func (v *view) identity(namespace, account string) string {
	return "spiffe://" + v.trust + "/ns/" + namespace + "/sa/" + account
}

// Labels that Istio derives from an endpoint's locality and network, so that
// subsets and failover priorities can name them, and those it reads a locality
// from.
const (
	labelRegion      = "topology.kubernetes.io/region"
	labelZone        = "topology.kubernetes.io/zone"
	labelSubzone     = "topology.istio.io/subzone"
	labelNetwork     = "topology.istio.io/network"
	labelHostname    = "kubernetes.io/hostname"
	labelLocality    = "topology.istio.io/locality"
	labelOldLocality = "istio-locality"
)

// localityOf is where an endpoint says it is: in its field, else in a label, which
// has dots for slashes.
func localityOf(e *networking.WorkloadEntry) (lb.Locality, error) {
	s := e.Locality
	if s == "" {
		s = strings.ReplaceAll(cmp.Or(e.Labels[labelLocality], e.Labels[labelOldLocality]), ".", "/")
	}
	return lb.ParseLocality(s)
}

// labelsAt are labels with those that say where the endpoint is.
func labelsAt(own map[string]string, l lb.Locality, network string) map[string]string {
	labels := maps.Clone(own)
	if labels == nil {
		labels = map[string]string{}
	}
	for k, v := range map[string]string{labelRegion: l.Region, labelZone: l.Zone, labelSubzone: l.SubZone} {
		if v != "" {
			labels[k] = v
		}
	}
	if network != "" && labels[labelNetwork] == "" {
		labels[labelNetwork] = network
	}
	return labels
}
