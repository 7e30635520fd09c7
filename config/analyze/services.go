package analyze

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/istio"
)

// deprecations names settings and kinds that are withdrawn.
func (a *analysis) deprecations() {
	for _, d := range a.definitions {
		switch d.Spec.Kind {
		case "ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding":
			if d.Spec.Group == "rbac.istio.io" {
				a.add("IST0002", istio.Warning, d.Resource, "spec.names.kind",
					fmt.Sprintf("Deprecated: Custom resource type %s %s is removed", d.Spec.Group, d.Spec.Kind), "write an AuthorizationPolicy")
			}
		}
	}
	for _, vs := range a.virtualServices {
		for i, r := range vs.Spec.Http {
			if r.GetFault().GetDelay().GetPercent() > 0 {
				a.add("IST0002", istio.Warning, vs.Resource, fmt.Sprintf("spec.http[%d].fault.delay.percent", i),
					"Deprecated: HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage", "write percentage: {value: …}")
			}
		}
	}
	for _, s := range a.sidecars {
		if s.Spec.GetOutboundTrafficPolicy().GetEgressProxy() != nil {
			a.add("IST0002", istio.Warning, s.Resource, "spec.outboundTrafficPolicy.egressProxy", "Deprecated: OutboundTrafficPolicy.EgressProxy ignored", "leave it out")
		}
	}
}

// destinationRules looks for TLS that verifies by the system's roots only.
func (a *analysis) destinationRules() {
	for _, dr := range a.rules {
		unverified := func(t *networking.ClientTLSSettings) bool {
			return (t.GetMode() == networking.ClientTLSSettings_SIMPLE || t.GetMode() == networking.ClientTLSSettings_MUTUAL) &&
				t.CaCertificates == "" && (t.CredentialName == "" || dr.Spec.WorkloadSelector == nil)
		}
		const text = "DestinationRule %s in namespace %s has TLS mode set to %s but no caCertificates are set to validate server identity for host: %s"
		const advice = "set caCertificates; without them the system's roots decide, and older releases verified nothing"
		policy := dr.Spec.GetTrafficPolicy()
		if t := policy.GetTls(); unverified(t) {
			a.add("IST0128", istio.Warning, dr.Resource, "spec.trafficPolicy.tls", fmt.Sprintf(text, dr.Name, dr.Namespace, t.Mode, dr.Spec.Host), advice)
		}
		for i, p := range policy.GetPortLevelSettings() {
			if t := p.GetTls(); unverified(t) {
				a.add("IST0129", istio.Warning, dr.Resource, fmt.Sprintf("spec.trafficPolicy.portLevelSettings[%d].tls", i),
					fmt.Sprintf(text+" at port %d", dr.Name, dr.Namespace, t.Mode, dr.Spec.Host, p.GetPort().GetNumber()), advice)
			}
		}
	}
}

// subsetPods checks that the hosts of DestinationRules are known, and that
// their subsets select Pods. The latter needs Kubernetes' objects among the
// documents.
func (a *analysis) subsetPods() {
	for _, dr := range a.rules {
		service := a.lookup(dr.Spec.Host, dr.Namespace, dr.Spec.ExportTo)
		if service == nil {
			a.add("IST0174", istio.Warning, dr.Resource, "spec.host", fmt.Sprintf("The host %s defined in the DestinationRule does not match any services in the mesh", dr.Spec.Host),
				"correct the host, or add a Service or ServiceEntry for it")
			continue
		}
		if !a.kubernetes {
			continue
		}
		for i, s := range dr.Spec.Subsets {
			if !slices.ContainsFunc(a.pods, func(p pod) bool { return a.inSubset(p, service.selector, s.Labels) }) {
				a.add("IST0173", istio.Error, dr.Resource, fmt.Sprintf("spec.subsets[%d].labels", i),
					fmt.Sprintf("The Subset %s defined in the DestinationRule does not select any pods; requests to it get 503", s.Name), "correct the labels of the subset")
			}
		}
	}
}

// inSubset tells whether a Pod has the labels of a service and of a subset; a
// subset's win over the service's. Where the Pod runs counts as labels.
func (a *analysis) inSubset(p pod, service, subset map[string]string) bool {
	labels := map[string]string{}
	for k, v := range p.Labels {
		labels[k] = v
	}
	if node := a.nodes[p.NodeName]; node != nil {
		for _, name := range []string{"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"} {
			if v := node[name]; v != "" {
				labels[name] = v
			}
		}
	}
	if p.NodeName != "" {
		labels["kubernetes.io/hostname"] = p.NodeName
	}
	for k, v := range service {
		if _, set := subset[k]; !set && labels[k] != v {
			return false
		}
	}
	return selects(subset, labels)
}

// serviceEntries looks for TCP ports without addresses, and for entries that
// disagree on the protocol of a port.
func (a *analysis) serviceEntries() {
	metadata := a.mesh.GetDefaultConfig().GetProxyMetadata()
	allocated := metadata["ISTIO_META_DNS_CAPTURE"] == "true" &&
		(metadata["ISTIO_META_DNS_AUTO_ALLOCATE"] == "true" || metadata["PILOT_ENABLE_IP_AUTOALLOCATE"] == "true")
	for _, se := range a.entries {
		if len(se.Spec.Addresses) > 0 || len(se.Allocated) > 0 || allocated {
			continue
		}
		for i, p := range se.Spec.Ports {
			if p.Protocol == "" || strings.EqualFold(p.Protocol, "TCP") {
				a.add("IST0134", istio.Warning, se.Resource, fmt.Sprintf("spec.ports[%d]", i),
					"ServiceEntry addresses are required for this protocol", "give the ServiceEntry addresses, or the port a protocol of HTTP")
			}
		}
	}
	a.protocolConflicts()
}

func (a *analysis) protocolConflicts() {
	type hostPort struct {
		scopedHost
		port uint32
	}
	type claim struct {
		protocol string
		resource *istio.Resource
	}
	claims := map[hostPort][]claim{}
	var order []hostPort
	for _, se := range a.entries {
		for _, scope := range scopes(se.Spec.ExportTo, se.Namespace) {
			for _, host := range se.Spec.Hosts {
				for _, p := range se.Spec.Ports {
					at := hostPort{scopedHost{scope, host}, p.Number}
					if claims[at] == nil {
						order = append(order, at)
					}
					claims[at] = append(claims[at], claim{strings.ToUpper(p.Protocol), se.Resource})
				}
			}
		}
	}
	reported := map[*istio.Resource]bool{}
	for _, at := range order {
		rivals := slices.Clone(claims[at])
		if at.scope != everybody {
			rivals = append(rivals, claims[hostPort{scopedHost{everybody, at.host}, at.port}]...)
		}
		var protocols, names []string
		for _, r := range rivals {
			if !slices.Contains(protocols, r.protocol) {
				protocols = append(protocols, r.protocol)
			}
			if name := fullName(r.resource); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(protocols) < 2 {
			continue
		}
		slices.Sort(names)
		slices.Sort(protocols)
		for _, r := range rivals {
			if !reported[r.resource] {
				reported[r.resource] = true
				a.add("IST0177", istio.Warning, r.resource, "metadata.name",
					fmt.Sprintf("ServiceEntries %s define the same host %s and port %d with different protocols %s", strings.Join(names, ", "), at.host, at.port, strings.Join(protocols, ", ")),
					"give the port one protocol")
			}
		}
	}
}
