package istio

import (
	"github.com/sidecarless/mesh/config/internal/plan"
)

// plannedServices are the Services as plans are made of them.
func (c *Config) plannedServices() []plan.Object[*plan.KubeService] {
	return converted(c.Services(), func(s *Service) *plan.KubeService {
		k := &plan.KubeService{ClusterIP: s.ClusterIP}
		if s.Type == "ExternalName" {
			k.ExternalName = s.ExternalName
		}
		for _, p := range s.Ports {
			k.Ports = append(k.Ports, plan.KubePort{
				Name: p.Name, Number: p.Port, Transport: p.Protocol, AppProtocol: p.AppProtocol, Target: p.TargetPort,
			})
		}
		return k
	})
}

// plannedSlices are the EndpointSlices with those of their endpoints that take
// requests.
func (c *Config) plannedSlices() []plan.Object[*plan.KubeSlice] {
	return converted(c.EndpointSlices(), func(s *EndpointSlice) *plan.KubeSlice {
		k := &plan.KubeSlice{Service: s.Service, Ports: map[string]uint32{}}
		for _, p := range s.Ports {
			k.Ports[p.Name] = p.Port
		}
		for _, e := range s.Endpoints {
			if len(e.Addresses) == 0 || e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			// Further addresses are for the same endpoint (Kubernetes' EndpointSlice).
			endpoint := plan.KubeEndpoint{Address: e.Addresses[0], Zone: e.Zone, Node: e.NodeName}
			if e.TargetRef.Kind == "Pod" {
				endpoint.Pod = e.TargetRef.Name
			}
			k.Endpoints = append(k.Endpoints, endpoint)
		}
		return k
	})
}

// plannedPods are the Pods as plans are made of them.
func (c *Config) plannedPods() []plan.Object[*plan.KubePod] {
	return converted(c.Pods(), func(p *Pod) *plan.KubePod {
		return &plan.KubePod{Labels: p.Labels, ServiceAccount: p.ServiceAccount}
	})
}

// converted are objects with their specs converted.
func converted[T, P any](objects []Object[T], convert func(T) P) []plan.Object[P] {
	list := make([]plan.Object[P], len(objects))
	for i, o := range objects {
		list[i] = plan.Object[P]{
			Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Annotations: o.Annotations,
			Spec: convert(o.Spec), Source: o.Source(""), Line: o.Source,
		}
	}
	return list
}
