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
	origin   origin
}

// An origin is the object in which an endpoint stands, and where in it.
type origin struct {
	source string
	line   func(field string) string // may be nil
	list   string                    // such as spec.endpoints; empty for the object itself
	index  int
}

func originOf[T any](o Object[T], list string, index int) origin {
	return origin{o.Source, o.Line, list, index}
}

// String is the origin as messages begin with it.
func (o origin) String() string {
	if o.line == nil || o.list == "" {
		return o.source
	}
	return o.line(fmt.Sprintf("%s[%d]", o.list, o.index))
}

// SourceOf is where the endpoint of that address stands, or else the service, as for
// one that a name led to.
func (t *Target) SourceOf(addr string) string {
	for _, w := range t.Service.workloads {
		if number, serves := w.ports[t.Port.Name]; serves && w.addr(number) == addr {
			return w.origin.String()
		}
	}
	return t.Service.Source
}

// addr is the address of a port of the workload.
func (w *workload) addr(port uint32) string {
	if strings.HasPrefix(w.address, unixPrefix) {
		return w.address
	}
	return net.JoinHostPort(w.address, strconv.Itoa(int(port)))
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
		all = append(all, lb.Endpoint{Addr: w.addr(number), Weight: w.weight, Locality: w.locality, Labels: w.labels})
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
				add.workloads = append(add.workloads, workload{address: host, ports: targets(ports, nil), origin: originOf(se, "", 0)})
			}
		}
	}
	return all
}

// An entry is an endpoint as it was written.
type entry struct {
	*networking.WorkloadEntry
	origin origin
}

// entriesOf are the endpoints that a ServiceEntry lists, or those of its namespace
// that it selects.
func (v *view) entriesOf(se Object[*networking.ServiceEntry]) []entry {
	var selected []entry
	if se.Spec.WorkloadSelector == nil {
		for i, e := range se.Spec.Endpoints {
			selected = append(selected, entry{e, originOf(se, "spec.endpoints", i)})
		}
		return selected
	}
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
		selected = append(selected, entry{&networking.WorkloadEntry{
			Address: we.Spec.Address, Ports: we.Spec.Ports, Labels: labels, Network: we.Spec.Network,
			Locality: we.Spec.Locality, Weight: we.Spec.Weight, ServiceAccount: we.Spec.ServiceAccount,
		}, originOf(we, "", 0)})
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
func (v *view) workload(e entry, ports []Port, se Object[*networking.ServiceEntry]) workload {
	locality, err := localityOf(e.WorkloadEntry)
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("%s: endpoint %s: %w", se.Source, e.Address, err))
	}
	w := workload{
		address: e.Address, ports: targets(ports, e.Ports), labels: labelsAt(e.Labels, locality, e.Network),
		locality: locality, weight: e.Weight, origin: e.origin,
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
