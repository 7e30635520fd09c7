package istio

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Routes of TLS and TCP are checked as Istio does, so that its verdict can be
// told. Whether they can be carried out is another question.

func (c *checker) tlsRoute(p *manifest.Path, r *networking.TLSRoute, vs *networking.VirtualService, gatewaysOnly bool) {
	if len(r.Match) == 0 {
		c.refuse(p.Field("match"), nil, "must have at least one entry")
	}
	for i, m := range r.Match {
		at := p.Field("match").At(i)
		if len(m.SniHosts) == 0 {
			c.refuse(at.Field("sniHosts"), nil, "must have at least one host")
		}
		for j, host := range m.SniHosts {
			c.sniHost(at.Field("sniHosts").At(j), host, vs, gatewaysOnly)
		}
		c.l4Match(at, m.DestinationSubnets, m.Port, m.SourceLabels)
		c.gatewayNames(at.Field("gateways"), m.Gateways)
	}
	c.l4Destinations(p.Field("route"), r.Route)
}

func (c *checker) sniHost(p *manifest.Path, host string, vs *networking.VirtualService, gatewaysOnly bool) {
	switch {
	case gatewaysOnly && strings.HasPrefix(host, "outbound_"):
		if !c.generatedSNI(p, host) {
			return
		}
	case isIP(host):
		c.warn(p, host, "is an address; clients send only names in SNI")
		return
	case !c.host(p, host):
		return
	}
	for _, outer := range vs.Hosts {
		if within(host, outer) {
			return
		}
	}
	c.refuse(p, host, "must be within one of the VirtualService's hosts (%s)", strings.Join(vs.Hosts, ", "))
}

func (c *checker) tcpRoute(p *manifest.Path, r *networking.TCPRoute) {
	for i, m := range r.Match {
		at := p.Field("match").At(i)
		c.l4Match(at, m.DestinationSubnets, m.Port, m.SourceLabels)
		c.unheard(func() { c.gatewayNames(at.Field("gateways"), m.Gateways) })
	}
	c.l4Destinations(p.Field("route"), r.Route)
}

func (c *checker) l4Match(p *manifest.Path, subnets []string, port uint32, labels map[string]string) {
	for i, subnet := range subnets {
		if !isSubnet(subnet) {
			c.refuse(p.Field("destinationSubnets").At(i), subnet, "must be an address or a block such as 10.0.0.0/8")
		}
	}
	if port != 0 {
		c.port(p.Field("port"), port)
	}
	c.labels(p.Field("sourceLabels"), labels)
}

func (c *checker) l4Destinations(p *manifest.Path, route []*networking.RouteDestination) {
	if len(route) == 0 {
		c.refuse(p, nil, "must have at least one destination")
	}
	weights := make([]int32, len(route))
	for i, r := range route {
		c.destination(p.At(i).Field("destination"), r.Destination)
		c.weight(p.At(i).Field("weight"), r.Weight)
		weights[i] = r.Weight
	}
	c.weights(p, weights)
}
