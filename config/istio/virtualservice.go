package istio

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// meshGateway stands among the gateways of a VirtualService for all clients in
// the mesh.
const meshGateway = "mesh"

// checkVirtualService checks what Istio's admission check does, and refuses
// what it lets pass although it cannot work.
func checkVirtualService(c *checker, vs *networking.VirtualService) {
	p := manifest.Top("spec")
	if len(vs.Hosts) == 0 {
		c.delegate(p, vs)
	}
	gatewaysOnly := onGatewaysOnly(vs)
	c.gatewayNames(p.Field("gateways"), vs.Gateways)
	c.virtualHosts(p.Field("hosts"), vs, gatewaysOnly)

	if len(vs.Http) == 0 && len(vs.Tcp) == 0 && len(vs.Tls) == 0 {
		c.refuse(p.Field("http"), nil, "is missing: a VirtualService needs http, tls or tcp routes")
	}
	for i, rule := range vs.Http {
		at := p.Field("http").At(i)
		if !gatewaysOnly {
			c.noClaims(at, rule)
		}
		c.httpRoute(at, rule, len(vs.Hosts) == 0)
	}
	for i, rule := range vs.Tls {
		c.tlsRoute(p.Field("tls").At(i), rule, vs, gatewaysOnly)
	}
	for i, rule := range vs.Tcp {
		c.tcpRoute(p.Field("tcp").At(i), rule)
	}
	c.exportTo(vs.ExportTo, false)
	c.unreachable(vs)
}

// onGatewaysOnly tells that a VirtualService is not for clients in the mesh.
func onGatewaysOnly(vs *networking.VirtualService) bool {
	return len(vs.Gateways) > 0 && !slices.Contains(vs.Gateways, meshGateway)
}

// delegate checks a VirtualService without hosts, which others delegate to.
func (c *checker) delegate(p *manifest.Path, vs *networking.VirtualService) {
	const reason = "cannot be given in a VirtualService without hosts, which only others delegate to"
	if len(vs.Gateways) > 0 {
		c.refuse(p.Field("gateways"), nil, reason)
	}
	if len(vs.Tls) > 0 {
		c.refuse(p.Field("tls"), nil, reason)
	}
	if len(vs.Tcp) > 0 {
		c.refuse(p.Field("tcp"), nil, reason)
	}
}

// gatewayNames checks references to gateways. Istio's check ends at the first
// that is written without a namespace, so what stands behind is refused by us.
func (c *checker) gatewayNames(p *manifest.Path, names []string) {
	code := CodeRefused
	for i, name := range names {
		at := p.At(i)
		namespace, gateway, qualified := strings.Cut(name, "/")
		switch {
		case !qualified:
			if problem := nameProblem(name); problem != "" {
				c.add(code, Error, at, name, "%s", problem)
			} else if parts := strings.SplitN(name, ".", 3); len(parts) > 1 && code == CodeRefused {
				c.warn(at, name, "is the old form of a reference; write %s/%s", parts[1], parts[0])
			}
			code = CodePointless
		case namespace == ".":
			c.add(code, Error, at, name, "leave the ./ out: a bare name is of the VirtualService's own namespace")
		case !isLabel(namespace):
			c.add(code, Error, at, name, "the namespace before the slash must be letters, digits and inner dashes")
		case !isLabel(gateway):
			c.add(code, Error, at, name, "the name behind the slash must be letters, digits and inner dashes")
		}
	}
}

// virtualHosts checks the hosts and that no two of them overlap.
func (c *checker) virtualHosts(p *manifest.Path, vs *networking.VirtualService, gatewaysOnly bool) {
	valid := true
	generated := gatewaysOnly && hasSNI(vs)
	for i, host := range vs.Hosts {
		switch {
		case generated && strings.HasPrefix(host, "outbound_"):
			valid = c.generatedSNI(p.At(i), host) && valid
		case isIP(host):
		case host == "*" && !gatewaysOnly:
			c.refuse(p.At(i), host, "a VirtualService for the mesh cannot be for all hosts; that is possible on gateways alone")
			valid = false
		default:
			valid = c.host(p.At(i), host) && valid
		}
	}
	if !valid {
		return
	}
	for i, a := range vs.Hosts {
		for j, b := range vs.Hosts[i+1:] {
			if overlap(a, b) {
				c.refuse(p.At(i+1+j), b, "overlaps with the host %q of the same VirtualService", a)
			}
		}
	}
}

// hasSNI tells whether some TLS rule names a host.
func hasSNI(vs *networking.VirtualService) bool {
	for _, rule := range vs.Tls {
		for _, m := range rule.Match {
			if len(m.SniHosts) > 0 {
				return true
			}
		}
	}
	return false
}

// generatedSNI checks a name such as outbound_.80_._.e2e.foobar.mesh, which
// Istio makes up for traffic between clusters.
func (c *checker) generatedSNI(p *manifest.Path, name string) bool {
	parts := strings.Split(name, "_")
	ok := len(parts) >= 4 && parts[0] == "outbound" && len(name) <= 255 &&
		strings.ContainsAny(parts[1], "0123456789") && strings.ContainsFunc(parts[3], isLetter)
	if !ok {
		c.refuse(p, name, "must have the form outbound_.PORT_.SUBSET_.HOST")
	}
	return ok
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

// noClaims refuses matches of the claims of tokens, which only gateways verify.
func (c *checker) noClaims(p *manifest.Path, rule *networking.HTTPRoute) {
	for i, m := range rule.Match {
		at := p.Field("match").At(i)
		for field, headers := range map[string]map[string]*networking.StringMatch{"headers": m.Headers, "withoutHeaders": m.WithoutHeaders} {
			for _, name := range sortedKeys(headers) {
				if isClaim(name) {
					c.refuse(at.Field(field).Key(name), nil, "claims of a token can be matched on gateways alone, so the VirtualService must name some and not %q", meshGateway)
				}
			}
		}
	}
}

// named is what a rule or match is called in messages: its name, or its place.
func named(name string, i int) string {
	if name != "" {
		return fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("#%d", i)
}
