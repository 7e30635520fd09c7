package istio

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A protocol is what a port speaks, in small letters.
type protocol string

func protocolOf(name string) protocol { return protocol(strings.ToLower(name)) }

// known tells whether there is such a protocol.
func (p protocol) known() bool {
	switch p {
	case "tcp", "udp", "mongo", "redis", "mysql":
		return true
	}
	return p.http() || p.tls()
}

// http tells whether it is HTTP in some form, without TLS.
func (p protocol) http() bool {
	switch p {
	case "http", "http2", "http_proxy", "grpc", "grpc-web":
		return true
	}
	return false
}

// tls tells whether it begins with a TLS handshake.
func (p protocol) tls() bool { return p == "https" || p == "tls" }

// tcp tells whether a proxy sees bytes only.
func (p protocol) tcp() bool { return p.known() && !p.http() && p != "udp" }

const protocols = "HTTP, HTTP2, HTTPS, GRPC, GRPC-WEB, TCP, TLS, MONGO, REDIS, MYSQL or UDP"

const labelNoAllocation = "networking.istio.io/enable-autoallocate-ip"

// checkServiceEntry checks what Istio's admission check does.
func checkServiceEntry(c *checker, se *networking.ServiceEntry) {
	p := manifest.Top("spec")
	check := func() {
		if se.WorkloadSelector != nil && len(se.WorkloadSelector.Labels) == 0 {
			c.warn(p.Field("workloadSelector"), nil, "selects no labels, so it takes every workload of the namespace")
		}
		c.serviceHosts(p, se)
		c.serviceAddresses(p.Field("addresses"), se)
		c.servicePorts(p.Field("ports"), se)
		c.resolution(p, se)
		c.manyHosts(p, se)
		c.exportTo(se.ExportTo, true)
	}
	if c.workloads(p.Field("workloadSelector"), se.WorkloadSelector) {
		c.unheard(check) // Istio looks no further
		return
	}
	check()
}

func (c *checker) serviceHosts(p *manifest.Path, se *networking.ServiceEntry) {
	for i, host := range se.Hosts {
		at := p.Field("hosts").At(i)
		if host == "*" {
			c.refuse(at, host, "a service is not all hosts")
			continue
		}
		c.host(at, host)
		if se.Resolution != networking.ServiceEntry_DYNAMIC_DNS && partialWildcard(host) {
			c.warn(at, host, "has a wildcard within a label, which matches nothing; write *. and whole labels")
		}
	}
}

func (c *checker) serviceAddresses(p *manifest.Path, se *networking.ServiceEntry) {
	blocks := se.Resolution == networking.ServiceEntry_NONE || se.Resolution == networking.ServiceEntry_STATIC
	for i, address := range se.Addresses {
		switch {
		case !isSubnet(address):
			c.refuse(p.At(i), address, "must be an address, or a block such as 10.0.0.0/8")
		case strings.Contains(address, "/") && !blocks:
			c.refuse(p.At(i), address, "a block of addresses needs the resolution NONE or STATIC")
		}
	}
}

func (c *checker) servicePorts(p *manifest.Path, se *networking.ServiceEntry) {
	names, numbers := map[string]bool{}, map[uint32]bool{}
	allocated := se.Resolution != networking.ServiceEntry_NONE && !strings.EqualFold(c.res.Labels[labelNoAllocation], "false")
	for i, port := range se.Ports {
		at := p.At(i)
		if names[port.Name] {
			c.refuse(at.Field("name"), port.Name, "is the name of an earlier port too")
		}
		if numbers[port.Number] {
			c.refuse(at.Field("number"), port.Number, "is the number of an earlier port too")
		}
		names[port.Name], numbers[port.Number] = true, true
		c.portName(at.Field("name"), port.Name)
		c.port(at.Field("number"), port.Number)
		if port.TargetPort != 0 {
			c.port(at.Field("targetPort"), port.TargetPort)
		}
		if port.Protocol != "" && !protocolOf(port.Protocol).known() {
			c.refuse(at.Field("protocol"), port.Protocol, "must be %s", protocols)
		}
		if len(se.Addresses) == 0 && !allocated && (port.Protocol == "" || port.Protocol == "TCP") {
			c.warn(at, nil, "carries TCP, which only an address can tell apart: the ServiceEntry needs addresses")
		}
	}
}

func (c *checker) portName(p *manifest.Path, name string) {
	if !isLabel(name) {
		c.refuse(p, name, "the name of a port must be letters, digits and inner dashes")
	}
}

// resolution checks the endpoints as the way of finding them asks.
func (c *checker) resolution(p *manifest.Path, se *networking.ServiceEntry) {
	endpoints := p.Field("endpoints")
	switch se.Resolution {
	case networking.ServiceEntry_NONE:
		if c.written(endpoints) {
			c.refuse(endpoints, nil, "cannot be given with the resolution NONE, which sends to the address that was asked for; write STATIC or DNS")
		}
		if se.WorkloadSelector != nil {
			c.warn(p.Field("workloadSelector"), nil, "does nothing with the resolution NONE")
		}
	case networking.ServiceEntry_STATIC:
		for i, e := range se.Endpoints {
			c.endpoint(endpoints.At(i), e, se, false)
		}
	case networking.ServiceEntry_DNS, networking.ServiceEntry_DNS_ROUND_ROBIN:
		c.dnsResolution(p, se)
	case networking.ServiceEntry_DYNAMIC_DNS:
		c.dynamicResolution(p, se)
	}
}

func (c *checker) dnsResolution(p *manifest.Path, se *networking.ServiceEntry) {
	endpoints := p.Field("endpoints")
	if len(se.Endpoints) == 0 {
		for i, host := range se.Hosts {
			if problem := nameProblem(host); problem != "" {
				c.refuse(p.Field("hosts").At(i), host, "cannot be looked up in DNS, and there are no endpoints: %s", problem)
				break
			}
		}
	}
	if se.Resolution == networking.ServiceEntry_DNS_ROUND_ROBIN && len(se.Endpoints) > 1 {
		c.refuse(endpoints, nil, "the resolution DNS_ROUND_ROBIN takes at most one endpoint")
	}
	for i, e := range se.Endpoints {
		at := endpoints.At(i)
		if !isIP(e.Address) && nameProblem(e.Address) != "" {
			c.refuse(at.Field("address"), e.Address, "must be an IP address or a DNS name")
		}
		c.labels(at.Field("labels"), e.Labels)
		c.endpointPorts(at.Field("ports"), e, se)
	}
	if len(se.Addresses) == 0 || len(se.Hosts) < 2 {
		return
	}
	for i, port := range se.Ports {
		if protocolOf(port.Protocol).tcp() {
			c.warn(p.Field("ports").At(i), nil, "carries TCP, so several hosts cannot be told apart by the addresses they share")
			return
		}
	}
}

func (c *checker) dynamicResolution(p *manifest.Path, se *networking.ServiceEntry) {
	for i, host := range se.Hosts {
		if !isWild(host) {
			c.refuse(p.Field("hosts").At(i), host, "must begin with a wildcard: the resolution DYNAMIC_DNS looks up what is asked for")
		}
	}
	if len(se.Addresses) > 0 {
		c.refuse(p.Field("addresses"), nil, "cannot be given with the resolution DYNAMIC_DNS")
	}
	if len(se.Endpoints) > 0 {
		c.refuse(p.Field("endpoints"), nil, "cannot be given with the resolution DYNAMIC_DNS")
	}
	for i, port := range se.Ports {
		switch protocolOf(port.Protocol) {
		case "http", "http2", "grpc", "tls":
		default:
			c.refuse(p.Field("ports").At(i).Field("protocol"), port.Protocol, "must be HTTP, HTTP2, GRPC or TLS with the resolution DYNAMIC_DNS")
		}
	}
	if waypoint := c.res.Labels["istio.io/use-waypoint"]; se.Location == networking.ServiceEntry_MESH_INTERNAL && waypoint != "" && !strings.EqualFold(waypoint, "none") {
		c.refuse(p.Field("location"), nil, "must be MESH_EXTERNAL for the resolution DYNAMIC_DNS through a waypoint")
	}
}

// manyHosts checks that several hosts can be told apart on every port.
func (c *checker) manyHosts(p *manifest.Path, se *networking.ServiceEntry) {
	if se.Resolution == networking.ServiceEntry_NONE || len(se.Hosts) < 2 {
		return
	}
	for i, port := range se.Ports {
		if protocol := protocolOf(port.Protocol); !protocol.http() && !protocol.tls() {
			c.refuse(p.Field("ports").At(i).Field("protocol"), port.Protocol, "several hosts can only be told apart on ports of HTTP or TLS")
			return
		}
	}
}

// checkWorkloadEntry checks a workload that stands alone.
func checkWorkloadEntry(c *checker, we *networking.WorkloadEntry) {
	c.endpoint(manifest.Top("spec"), we, nil, true)
}

// endpoint checks a workload, of a ServiceEntry if there is one. names allows
// DNS names for its address.
func (c *checker) endpoint(p *manifest.Path, we *networking.WorkloadEntry, se *networking.ServiceEntry, names bool) {
	at := p.Field("address")
	unix, isUnix := strings.CutPrefix(we.Address, "unix://")
	switch {
	case we.Address == "" && we.Network == "":
		c.refuse(at, nil, "is missing")
		return
	case we.Address == "":
		c.warn(at, nil, "is missing, so the workload is reached through the gateway of network %q", we.Network)
	case isUnix:
		c.unixAddress(at, unix)
		if c.written(p.Field("ports")) {
			c.refuse(p.Field("ports"), nil, "cannot be given for a unix socket")
		}
		if se != nil && len(se.Ports) != 1 {
			c.refuse(at, we.Address, "a unix socket needs exactly one port of the service, not %d", len(se.Ports))
		}
	case isIP(we.Address):
	case !names:
		c.refuse(at, we.Address, "must be an IP address or unix:///path; for a DNS name the resolution must be DNS")
	default:
		if problem := nameProblem(we.Address); problem != "" {
			c.refuse(at, we.Address, "must be an IP address, a DNS name or unix:///path: it %s", problem)
		}
	}
	c.endpointPorts(p.Field("ports"), we, se)
	c.labels(p.Field("labels"), we.Labels)
}

// endpointPorts checks the ports of a workload against those of its service.
func (c *checker) endpointPorts(p *manifest.Path, we *networking.WorkloadEntry, se *networking.ServiceEntry) {
	for _, name := range sortedKeys(we.Ports) {
		c.portName(p.Key(name), name)
		if len(name) == 63 {
			c.refuse(p.Key(name), nil, "the name of a port of a workload must be shorter than 63 characters")
		}
		c.port(p.Key(name), we.Ports[name])
		if se != nil && !hasPort(se, name) {
			c.refuse(p.Key(name), nil, "the ServiceEntry has no port of this name")
		}
	}
}

func hasPort(se *networking.ServiceEntry, name string) bool {
	for _, port := range se.Ports {
		if port.Name == name {
			return true
		}
	}
	return false
}

// unixAddress checks the path of a unix socket; one with @ is no file.
func (c *checker) unixAddress(p *manifest.Path, socket string) {
	if !strings.HasPrefix(socket, "@") && !strings.HasPrefix(socket, "/") || strings.HasSuffix(socket, "/") {
		c.refuse(p, "unix://"+socket, "must be the absolute path of a socket")
	}
}
