package istio

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// checkDestinationRule checks what Istio's admission check does, and refuses
// what it lets pass although it cannot work.
func checkDestinationRule(c *checker, rule *networking.DestinationRule) {
	p := manifest.Top("spec")
	c.host(p.Field("host"), rule.Host)
	c.trafficPolicy(p.Field("trafficPolicy"), rule.TrafficPolicy)
	names := map[string]bool{}
	for i, subset := range rule.Subsets {
		at := p.Field("subsets").At(i)
		if names[subset.Name] {
			c.refuse(at.Field("name"), subset.Name, "is the name of an earlier subset too")
		}
		names[subset.Name] = true
		c.unheard(func() { c.subset(at, subset) })
	}
	c.exportTo(rule.ExportTo, false)
	if rule.WorkloadSelector != nil {
		c.ownNamespaceOnly(p.Field("exportTo"), rule.ExportTo)
		c.selector(p.Field("workloadSelector"), rule.WorkloadSelector)
	}
}

// ownNamespaceOnly checks the exports of a rule for chosen workloads.
func (c *checker) ownNamespaceOnly(p *manifest.Path, exports []string) {
	for i, name := range exports {
		if name != "." && name != c.res.Namespace {
			c.refuse(p.At(i), name, "a rule with a workloadSelector is for workloads of its own namespace, %s", c.res.Namespace)
		}
	}
}

func (c *checker) subset(p *manifest.Path, s *networking.Subset) {
	c.subsetName(p.Field("name"), s.Name)
	c.labels(p.Field("labels"), s.Labels)
	c.trafficPolicy(p.Field("trafficPolicy"), s.TrafficPolicy)
}

func (c *checker) trafficPolicy(p *manifest.Path, t *networking.TrafficPolicy) {
	if t == nil {
		return
	}
	if t.OutlierDetection == nil && t.ConnectionPool == nil && t.LoadBalancer == nil && t.Tls == nil &&
		len(t.PortLevelSettings) == 0 && t.Tunnel == nil && t.ProxyProtocol == nil && t.RetryBudget == nil {
		c.refuse(p, nil, "is empty; leave it out or give it a setting")
		return
	}
	check := func() {
		c.outlierDetection(p.Field("outlierDetection"), t.OutlierDetection)
		c.connectionPool(p.Field("connectionPool"), t.ConnectionPool)
		c.loadBalancer(p.Field("loadBalancer"), t.LoadBalancer, t.OutlierDetection)
		c.clientTLS(p.Field("tls"), t.Tls)
		c.portLevelSettings(p.Field("portLevelSettings"), t.PortLevelSettings)
		c.tunnel(p.Field("tunnel"), t.Tunnel)
	}
	if t.Tunnel != nil && t.ProxyProtocol != nil {
		c.refuse(p.Field("proxyProtocol"), nil, "cannot stand beside tunnel")
		c.unheard(check) // Istio looks no further
		return
	}
	check()
}

// portLevelSettings checks the policies of single ports. Istio does not look at
// the numbers.
func (c *checker) portLevelSettings(p *manifest.Path, settings []*networking.TrafficPolicy_PortTrafficPolicy) {
	seen := map[uint32]bool{}
	for i, t := range settings {
		at := p.At(i)
		switch number := t.GetPort().GetNumber(); {
		case t.Port == nil:
			c.refuse(at.Field("port"), nil, "is missing")
		case number < 1 || number > 65535:
			c.pointless(at.Field("port").Field("number"), number, "must be a port number from 1 to 65535")
		case seen[number]:
			c.pointless(at.Field("port").Field("number"), number, "has an earlier entry, which alone would count")
		default:
			seen[number] = true
		}
		if t.OutlierDetection == nil && t.ConnectionPool == nil && t.LoadBalancer == nil && t.Tls == nil {
			c.refuse(at, nil, "sets nothing: it needs loadBalancer, connectionPool, outlierDetection or tls")
			continue
		}
		c.unheard(func() {
			c.outlierDetection(at.Field("outlierDetection"), t.OutlierDetection)
			c.connectionPool(at.Field("connectionPool"), t.ConnectionPool)
			c.loadBalancer(at.Field("loadBalancer"), t.LoadBalancer, t.OutlierDetection)
			c.clientTLS(at.Field("tls"), t.Tls)
		})
	}
}

func (c *checker) tunnel(p *manifest.Path, t *networking.TrafficPolicy_TunnelSettings) {
	if t == nil {
		return
	}
	if t.Protocol != "" && t.Protocol != "CONNECT" && t.Protocol != "POST" {
		c.refuse(p.Field("protocol"), t.Protocol, "must be CONNECT or POST")
	}
	if problem := nameProblem(t.TargetHost); problem != "" && !isIP(t.TargetHost) {
		c.refuse(p.Field("targetHost"), t.TargetHost, "%s", problem)
	}
	c.port(p.Field("targetPort"), t.TargetPort)
}

func (c *checker) outlierDetection(p *manifest.Path, o *networking.OutlierDetection) {
	if o == nil {
		return
	}
	c.duration(p.Field("baseEjectionTime"), o.BaseEjectionTime)
	c.duration(p.Field("interval"), o.Interval)
	if n := o.ConsecutiveErrors; n != 0 {
		inForce := "consecutive5xxErrors is in force, with its default of 5"
		if o.Consecutive_5XxErrors != nil {
			inForce = "consecutive5xxErrors is in force"
		}
		c.warn(p.Field("consecutiveErrors"), n, "is withdrawn and does nothing: %s; write consecutive5xxErrors or consecutiveGatewayErrors", inForce)
	}
	if o.ConsecutiveLocalOriginFailures.GetValue() > 0 && !o.SplitExternalLocalOriginErrors {
		c.refuse(p.Field("consecutiveLocalOriginFailures"), o.ConsecutiveLocalOriginFailures.GetValue(), "needs splitExternalLocalOriginErrors: true")
	}
	c.percent(p.Field("maxEjectionPercent"), o.MaxEjectionPercent)
	c.percent(p.Field("minHealthPercent"), o.MinHealthPercent)
}

func (c *checker) percent(p *manifest.Path, n int32) {
	if n < 0 || n > 100 {
		c.refuse(p, n, "must be 0 to 100 per cent")
	}
}

func (c *checker) connectionPool(p *manifest.Path, s *networking.ConnectionPoolSettings) {
	if s == nil {
		return
	}
	if s.Http == nil && s.Tcp == nil {
		c.refuse(p, nil, "is empty: it needs http or tcp")
	}
	if s.Http != nil {
		c.httpPool(p.Field("http"), s.Http)
	}
	if s.Tcp != nil {
		c.tcpPool(p.Field("tcp"), s.Tcp)
	}
}

func (c *checker) httpPool(p *manifest.Path, h *networking.ConnectionPoolSettings_HTTPSettings) {
	c.notNegative(p.Field("http1MaxPendingRequests"), h.Http1MaxPendingRequests)
	c.notNegative(p.Field("http2MaxRequests"), h.Http2MaxRequests)
	c.notNegative(p.Field("maxRequestsPerConnection"), h.MaxRequestsPerConnection)
	c.notNegative(p.Field("maxRetries"), h.MaxRetries)
	c.notNegative(p.Field("maxConcurrentStreams"), h.MaxConcurrentStreams)
	c.duration(p.Field("idleTimeout"), h.IdleTimeout)
	if h.UseClientProtocol && h.H2UpgradePolicy == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		c.refuse(p.Field("useClientProtocol"), true, "cannot stand beside h2UpgradePolicy: UPGRADE")
	}
	if alive := h.Http2KeepAlive; alive != nil {
		at := p.Field("http2KeepAlive")
		if alive.Interval == nil {
			c.refuse(at.Field("interval"), nil, "is missing")
		}
		if alive.Timeout == nil {
			c.refuse(at.Field("timeout"), nil, "is missing")
		}
		c.duration(at.Field("interval"), alive.Interval)
		c.duration(at.Field("timeout"), alive.Timeout)
	}
}

func (c *checker) tcpPool(p *manifest.Path, t *networking.ConnectionPoolSettings_TCPSettings) {
	c.notNegative(p.Field("maxConnections"), t.MaxConnections)
	c.duration(p.Field("connectTimeout"), t.ConnectTimeout)
	c.duration(p.Field("maxConnectionDuration"), t.MaxConnectionDuration)
	if t.IdleTimeout.AsDuration().Milliseconds() != 0 { // 0 stands for no timeout here
		c.duration(p.Field("idleTimeout"), t.IdleTimeout)
	}
	c.duration(p.Field("tcpKeepalive").Field("time"), t.TcpKeepalive.GetTime())
	c.duration(p.Field("tcpKeepalive").Field("interval"), t.TcpKeepalive.GetInterval())
}

func (c *checker) notNegative(p *manifest.Path, n int32) {
	if n < 0 {
		c.refuse(p, n, "must not be negative")
	}
}

// clientTLS checks the settings of TLS to a destination.
func (c *checker) clientTLS(p *manifest.Path, t *networking.ClientTLSSettings) {
	if t == nil {
		return
	}
	c.configMap(p.Field("credentialName"), t.CredentialName)
	simple, mutual := t.Mode == networking.ClientTLSSettings_SIMPLE, t.Mode == networking.ClientTLSSettings_MUTUAL
	if t.InsecureSkipVerify.GetValue() && (simple || mutual) {
		const reason = "cannot stand beside insecureSkipVerify, which verifies nothing"
		if t.CaCertificates != "" {
			c.refuse(p.Field("caCertificates"), t.CaCertificates, reason)
		}
		if len(t.SubjectAltNames) > 0 {
			c.refuse(p.Field("subjectAltNames"), nil, reason)
		}
		if simple && t.CredentialName != "" {
			c.refuse(p.Field("credentialName"), t.CredentialName, reason)
		}
	}
	if t.CredentialName != "" && (simple || mutual) {
		for _, file := range []struct{ name, value string }{
			{"clientCertificate", t.ClientCertificate}, {"privateKey", t.PrivateKey},
			{"caCertificates", t.CaCertificates}, {"caCrl", t.CaCrl},
		} {
			if file.value != "" {
				c.refuse(p.Field(file.name), file.value, "cannot stand beside credentialName, which brings its own")
			}
		}
		return
	}
	if mutual && t.ClientCertificate == "" {
		c.refuse(p.Field("clientCertificate"), nil, "is missing: mode MUTUAL needs it, or a credentialName")
	}
	if mutual && t.PrivateKey == "" {
		c.refuse(p.Field("privateKey"), nil, "is missing: mode MUTUAL needs it, or a credentialName")
	}
}
