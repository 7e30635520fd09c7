package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/lb"
)

// annotationExportTo has the namespaces that a Service is exported to.
const annotationExportTo = "networking.istio.io/exportTo"

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

func (v *view) kubernetesService(object Object[*kube.Service]) *Service {
	k := object.Spec
	s := &Service{
		Host: v.fqdn(object.Name, object.Namespace), Namespace: object.Namespace,
		Resolution: networking.ServiceEntry_STATIC, Source: object.Source,
		merges: mergeKey{namespace: object.Namespace, kubernetes: true, rest: object.Name},
	}
	if k.ClusterIP != "" && k.ClusterIP != kube.Headless {
		s.Addresses = []string{k.ClusterIP}
	}
	for _, p := range k.Ports {
		target, err := strconv.ParseUint(p.TargetPort, 10, 16)
		if err != nil { // a name, which only pods can tell
			target = uint64(p.Port)
		}
		s.Ports = append(s.Ports, Port{Number: p.Port, Name: p.Name, Protocol: protocolOf(p), Target: uint32(target)})
	}
	if k.Type == kube.ExternalName && k.ExternalName != "" {
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
			ports := slicePorts(slice.Spec)
			for address, e := range slice.Spec.Ready() {
				w := v.podWorkload(e, slice.Namespace)
				w.address, w.ports, w.origin = address, ports, originOf(slice, "", 0)
				s.workloads = append(s.workloads, w)
			}
		}
	}
	if !found {
		// Where endpoints are not among the resources, the cluster's DNS knows the
		// service's address, or those of the pods of a headless one.
		s.Resolution = networking.ServiceEntry_DNS
		ports := servicePorts(s)
		if k.ClusterIP == kube.Headless {
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

// slicePorts are the ports of a slice's endpoints by the names of the service's.
func slicePorts(s *kube.EndpointSlice) map[string]uint32 {
	all := make(map[string]uint32, len(s.Ports))
	for _, p := range s.Ports {
		all[p.Name] = p.Port
	}
	return all
}

// podWorkload is an endpoint with what its Pod says of it.
func (v *view) podWorkload(e *kube.Endpoint, namespace string) workload {
	w := workload{locality: lb.Locality{Zone: e.Zone}}
	name := e.Pod()
	i := slices.IndexFunc(v.Pods, func(p Object[*kube.Pod]) bool { return p.Namespace == namespace && p.Name == name })
	if name != "" && i >= 0 {
		pod := v.Pods[i].Spec
		w.labels = pod.Labels
		w.identity = v.identity(namespace, cmp.Or(pod.ServiceAccount, "default"))
	}
	w.labels = labelsAt(w.labels, w.locality, "")
	if e.NodeName != "" {
		w.labels[labelHostname] = e.NodeName
	}
	return w
}

// protocolOf is the protocol of a port: the one it names, or else the one that its
// name begins with, in capitals; empty where neither is one.
func protocolOf(p kube.ServicePort) string {
	if p.Protocol == "UDP" {
		return "UDP"
	}
	switch app := strings.ToLower(p.AppProtocol); app {
	case kube.H2C:
		return "HTTP2"
	case kube.WS:
		return "HTTP"
	case kube.WSS:
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
