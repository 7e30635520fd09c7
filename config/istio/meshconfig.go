package istio

import (
	"strings"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Bounds of the time that a connection may take to be made.
const (
	leastConnectTimeout = time.Millisecond
	mostConnectTimeout  = 30 * time.Second
)

// checkMeshConfig checks the mesh-wide settings that are given. Istio checks
// them together with its defaults, which are right.
func checkMeshConfig(c *checker, m *meshconfig.MeshConfig) {
	c.duration(manifest.Top("connectTimeout"), m.ConnectTimeout)
	if t := m.ConnectTimeout.AsDuration(); m.ConnectTimeout != nil && t > mostConnectTimeout {
		c.refuse(manifest.Top("connectTimeout"), t, "must be %s to %s", leastConnectTimeout, mostConnectTimeout)
	}
	if t := m.ProtocolDetectionTimeout; t != nil && t.AsDuration()%time.Millisecond != 0 {
		c.refuse(manifest.Top("protocolDetectionTimeout"), t.AsDuration(), "must be whole milliseconds")
	}
	if t := m.DnsRefreshRate; t != nil && t.AsDuration() <= time.Millisecond {
		c.pointless(manifest.Top("dnsRefreshRate"), t.AsDuration(), "must be more than 1ms")
	}
	if m.ProxyListenPort != 0 {
		c.port(manifest.Top("proxyListenPort"), uint32(m.ProxyListenPort))
	}
	always := &networking.OutlierDetection{} // failover is judged where it is used
	c.locality(manifest.Top("localityLbSetting"), m.LocalityLbSetting, always)
	c.zoneAware(manifest.Top("zoneAwareLbSetting"), m.ZoneAwareLbSetting, always)
	for i, s := range m.ServiceSettings {
		for j, host := range s.Hosts {
			c.host(manifest.Top("serviceSettings").At(i).Field("hosts").At(j), host)
		}
	}
	if m.TrustDomain != "" {
		c.trustDomain(manifest.Top("trustDomain"), m.TrustDomain)
	}
	for i, alias := range m.TrustDomainAliases {
		c.trustDomain(manifest.Top("trustDomainAliases").At(i), alias)
	}
	if policy := m.DefaultTrafficPolicy; policy != nil {
		at := manifest.Top("defaultTrafficPolicy")
		c.connectionPool(at.Field("connectionPool"), policy.ConnectionPool)
		c.outlierDetection(at.Field("outlierDetection"), policy.OutlierDetection)
	}
	c.retries(manifest.Top("defaultHttpRetryPolicy"), m.DefaultHttpRetryPolicy)
}

func (c *checker) trustDomain(p *manifest.Path, domain string) {
	for part := range strings.SplitSeq(strings.TrimSuffix(domain, "."), ".") {
		if !isLabel(part) {
			c.refuse(p, domain, "must be a name of letters, digits, dots and inner dashes")
			return
		}
	}
}

// checkSidecar checks what is read of a Sidecar.
func checkSidecar(c *checker, s *networking.Sidecar) {
	p := manifest.Top("spec")
	c.workloads(p.Field("workloadSelector"), s.WorkloadSelector)
	if len(s.Egress) == 0 && len(s.Ingress) == 0 && s.OutboundTrafficPolicy == nil && s.InboundConnectionPool == nil {
		c.refuse(p, nil, "is empty")
	}
	if proxy := s.OutboundTrafficPolicy.GetEgressProxy(); proxy != nil {
		at := p.Field("outboundTrafficPolicy").Field("egressProxy")
		if s.OutboundTrafficPolicy.Mode != networking.OutboundTrafficPolicy_ALLOW_ANY {
			c.refuse(at, nil, "can be given with mode ALLOW_ANY only")
		}
		c.destination(at, proxy)
	}
}
