package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/lb"
)

// A KubeService is what a plan needs of a Kubernetes Service.
type KubeService struct {
	ClusterIP    string // "None" for a headless one
	ExternalName string
	Ports        []KubePort
}

// A KubePort is one port of a Service.
type KubePort struct {
	Name        string
	Number      uint32
	Transport   string // TCP unless said otherwise
	AppProtocol string
	Target      string // a number, or a name that only pods can tell; empty is Number
}

// A KubeSlice is what a plan needs of an EndpointSlice.
type KubeSlice struct {
	Service   string            // beside it, in its namespace
	Ports     map[string]uint32 // by the names of the Service's ports
	Endpoints []KubeEndpoint
}

// A KubeEndpoint is one endpoint of a slice that is ready for requests.
type KubeEndpoint struct {
	Address string
	Zone    string
	Node    string
	Pod     string // empty if it is none
}

// A KubePod is what a plan needs of the Pod behind an endpoint.
type KubePod struct {
	Labels         map[string]string
	ServiceAccount string // empty is default
}

// annotationExportTo has the namespaces that a Service is exported to.
const annotationExportTo = "networking.istio.io/exportTo"

// headless is the ClusterIP of a Service that has none.
const headless = "None"

// kubernetesServices are the Services that the client sees. One that is a name of
// another service is noted in v.aliases.
func (v *view) kubernetesServices() []*Service {
	var all []*Service
	for _, object := range v.Services {
		exportTo := v.Mesh.GetDefaultServiceExportTo()
		if a := object.Annotations[annotationExportTo]; a != "" {
			exportTo = strings.Split(strings.ReplaceAll(a, " ", ""), ",")
		}
		if exportedTo(exports(exportTo, nil), object.Namespace, v.client.Namespace) {
			all = append(all, v.kubernetesService(object))
		}
	}
	return all
}

func (v *view) kubernetesService(object Object[*KubeService]) *Service {
	k := object.Spec
	s := &Service{
		Host: v.fqdn(object.Name, object.Namespace), Namespace: object.Namespace,
		Resolution: networking.ServiceEntry_STATIC, Source: object.Source,
		merges: mergeKey{namespace: object.Namespace, kubernetes: true, rest: object.Name},
	}
	if k.ClusterIP != "" && k.ClusterIP != headless {
		s.Addresses = []string{k.ClusterIP}
	}
	for _, p := range k.Ports {
		target, err := strconv.ParseUint(p.Target, 10, 16)
		if err != nil {
			target = uint64(p.Number)
		}
		s.Ports = append(s.Ports, Port{Number: p.Number, Name: p.Name, Protocol: protocolOf(p), Target: uint32(target)})
	}
	if k.ExternalName != "" {
		// Unless the mesh knows that name, it is for DNS.
		v.aliases[s.Host] = strings.ToLower(k.ExternalName)
		s.Resolution = networking.ServiceEntry_DNS
		s.workloads = []workload{{address: k.ExternalName, ports: servicePorts(s), origin: originOf(object, "", 0)}}
		return s
	}
	found := false
	for _, slice := range v.EndpointSlices {
		if slice.Namespace == object.Namespace && slice.Spec.Service == object.Name {
			found = true
			for _, e := range slice.Spec.Endpoints {
				w := v.podWorkload(e, slice)
				w.origin = originOf(slice, "", 0)
				s.workloads = append(s.workloads, w)
			}
		}
	}
	if !found {
		// Where endpoints are not among the resources, the cluster's DNS knows the
		// service's address, or those of the pods of a headless one.
		s.Resolution = networking.ServiceEntry_DNS
		ports := servicePorts(s)
		if k.ClusterIP == headless {
			ports = targets(s.Ports, nil)
		}
		s.workloads = []workload{{address: s.Host, ports: ports, origin: originOf(object, "", 0)}}
	}
	return s
}

// servicePorts are the service's own ports by their names.
func servicePorts(s *Service) map[string]uint32 {
	all := make(map[string]uint32, len(s.Ports))
	for _, p := range s.Ports {
		all[p.Name] = p.Number
	}
	return all
}

// podWorkload is an endpoint of a slice with what its Pod says of it.
func (v *view) podWorkload(e KubeEndpoint, slice Object[*KubeSlice]) workload {
	w := workload{address: e.Address, ports: slice.Spec.Ports, locality: lb.Locality{Zone: e.Zone}}
	i := slices.IndexFunc(v.Pods, func(p Object[*KubePod]) bool { return p.Namespace == slice.Namespace && p.Name == e.Pod })
	if e.Pod != "" && i >= 0 {
		pod := v.Pods[i].Spec
		w.labels = pod.Labels
		w.identity = v.identity(slice.Namespace, cmp.Or(pod.ServiceAccount, "default"))
	}
	w.labels = labelsAt(w.labels, w.locality, "")
	if e.Node != "" {
		w.labels[labelHostname] = e.Node
	}
	return w
}

// protocolOf is the protocol of a port: the one it names, or else the one that its
// name begins with, in capitals; empty where neither is one.
func protocolOf(p KubePort) string {
	if p.Transport == "UDP" {
		return "UDP"
	}
	switch app := strings.ToLower(p.AppProtocol); app {
	case "kubernetes.io/h2c":
		return "HTTP2"
	case "kubernetes.io/ws":
		return "HTTP"
	case "kubernetes.io/wss":
		return "HTTPS"
	case "":
	default:
		return knownProtocol(app)
	}
	name := strings.ToLower(p.Name)
	if name == "grpc-web" || strings.HasPrefix(name, "grpc-web-") {
		return "GRPC-WEB"
	}
	name, _, _ = strings.Cut(name, "-")
	return knownProtocol(name)
}

func knownProtocol(name string) string {
	switch name {
	case "http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "udp", "mongo", "redis", "mysql":
		return strings.ToUpper(name)
	}
	return ""
}
