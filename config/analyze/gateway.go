package analyze

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/istio"
)

// gatewayPods checks that each Gateway selects Pods whose Services offer its
// ports.
func (a *analysis) gatewayPods() {
	for _, g := range a.gateways {
		selector := written(g.Spec.Selector)
		offered, found := a.offeredPorts(g.Spec.Selector)
		if !found {
			a.add("IST0101", istio.Error, g.Resource, "spec.selector",
				fmt.Sprintf("Referenced selector not found: %q; no gateway workload has these labels, so nothing serves this Gateway", selector),
				"correct the labels, or add the workload's documents")
			continue
		}
		for i, s := range g.Spec.Servers {
			if s.Port != nil && !offered[s.Port.Number] {
				a.add("IST0162", istio.Warning, g.Resource, fmt.Sprintf("spec.servers[%d].port", i),
					fmt.Sprintf("The gateway is listening on a target port (port %d) that is not defined in the Service associated with its workload instances (Pod selector %s)", s.Port.Number, selector),
					"add the port to the Service")
			}
		}
	}
}

// offeredPorts are the ports on which Services reach the Pods that a selector
// selects, and whether there are any such Pods.
func (a *analysis) offeredPorts(selector map[string]string) (ports map[uint32]bool, found bool) {
	ports = map[uint32]bool{}
	for _, p := range a.pods {
		if !selects(selector, p.Labels) {
			continue
		}
		found = true
		for _, s := range a.services {
			if s.Namespace != p.namespace || !selects(s.Spec.Selector, p.Labels) {
				continue
			}
			for _, port := range s.Spec.Ports {
				if port.Protocol != "" && port.Protocol != "TCP" {
					continue
				}
				ports[port.Port] = true
				if target, err := strconv.ParseUint(port.TargetPort, 10, 16); err == nil {
					ports[uint32(target)] = true
				}
			}
		}
	}
	return ports, found
}

// gatewayCertificates looks for certificates that several Gateways of a
// workload serve: clients that reuse an HTTP/2 connection for all the names in
// it then ask the wrong one.
func (a *analysis) gatewayCertificates() {
	for _, g := range a.gateways {
		for _, other := range a.gateways {
			if g.Resource == other.Resource || !selects(g.Spec.Selector, other.Spec.Selector) {
				continue
			}
			for i, s := range g.Spec.Servers {
				for _, t := range other.Spec.Servers {
					if sameCertificate(s.Tls, t.Tls) {
						a.add("IST0138", istio.Warning, g.Resource, fmt.Sprintf("spec.servers[%d].tls", i),
							fmt.Sprintf("Duplicate certificate in multiple gateways [%s %s] may cause 404s if clients re-use HTTP2 connections", fullName(g.Resource), fullName(other.Resource)),
							"serve the hosts of one certificate by one Gateway")
					}
				}
			}
		}
	}
}

func sameCertificate(a, b *networking.ServerTLSSettings) bool {
	if a == nil || b == nil {
		return false
	}
	if a.CredentialName != "" || b.CredentialName != "" {
		return a.CredentialName == b.CredentialName
	}
	return a.ServerCertificate != "" && a.PrivateKey != "" && a.ServerCertificate == b.ServerCertificate && a.PrivateKey == b.PrivateKey
}

// gatewayConflicts looks for Gateways of one workload with one host on one port.
func (a *analysis) gatewayConflicts() {
	for _, g := range a.gateways {
		for i, s := range g.Spec.Servers {
			var rivals []string
			for _, other := range a.gateways {
				if g.Resource != other.Resource && a.sameWorkload(g.Spec.Selector, other.Spec.Selector) && serves(other.Spec, s) {
					rivals = append(rivals, fullName(other.Resource))
				}
			}
			if len(rivals) == 0 {
				continue
			}
			slices.Sort(rivals)
			a.add("IST0145", istio.Error, g.Resource, fmt.Sprintf("spec.servers[%d]", i),
				fmt.Sprintf("Conflict with gateways %s (workload selector %s, port %d, hosts %s)", strings.Join(rivals, ","), written(g.Spec.Selector), s.GetPort().GetNumber(), strings.Join(s.Hosts, ",")),
				"merge the servers into one Gateway, or part their hosts")
		}
	}
}

// sameWorkload tells whether two selectors are equal, or one holds the other
// and some Pod fits both.
func (a *analysis) sameWorkload(x, y map[string]string) bool {
	left, right := written(x), written(y)
	if left == right {
		return true
	}
	if !strings.Contains(left, right) && !strings.Contains(right, left) {
		return false
	}
	return slices.ContainsFunc(a.pods, func(p pod) bool { return selects(x, p.Labels) && selects(y, p.Labels) })
}

// serves tells whether a gateway serves a host of s on its port and address. Of
// several servers on one port, Istio's analyzer looks at the last.
func serves(g *networking.Gateway, s *networking.Server) bool {
	for _, other := range slices.Backward(g.Servers) {
		if other.GetPort().GetNumber() == s.GetPort().GetNumber() {
			return other.Bind == s.Bind && slices.ContainsFunc(s.Hosts, func(h string) bool { return slices.Contains(other.Hosts, h) })
		}
	}
	return false
}
