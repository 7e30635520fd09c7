package istio

import (
	networking "istio.io/api/networking/v1alpha3"
)

// checkDestinationRule checks what Istio's admission check does, and refuses
// what it lets pass although it cannot work.
func checkDestinationRule(c *checker, rule *networking.DestinationRule) {
	p := top("spec")
	c.host(p.field("host"), rule.Host)
	c.trafficPolicy(p.field("trafficPolicy"), rule.TrafficPolicy)
	names := map[string]bool{}
	for i, subset := range rule.Subsets {
		at := p.field("subsets").at(i)
		if names[subset.Name] {
			c.refuse(at.field("name"), subset.Name, "is the name of an earlier subset too")
		}
		names[subset.Name] = true
		c.unheard(func() { c.subset(at, subset) })
	}
	c.exportTo(rule.ExportTo, false)
	if rule.WorkloadSelector != nil {
		c.ownNamespaceOnly(p.field("exportTo"), rule.ExportTo)
		c.selector(p.field("workloadSelector"), rule.WorkloadSelector)
	}
}

// ownNamespaceOnly checks the exports of a rule for chosen workloads.
func (c *checker) ownNamespaceOnly(p *path, exports []string) {
	for i, name := range exports {
		if name != "." && name != c.res.Namespace {
			c.refuse(p.at(i), name, "a rule with a workloadSelector is for workloads of its own namespace, %s", c.res.Namespace)
		}
	}
}

func (c *checker) subset(p *path, s *networking.Subset) {
	c.subsetName(p.field("name"), s.Name)
	c.labels(p.field("labels"), s.Labels)
	c.trafficPolicy(p.field("trafficPolicy"), s.TrafficPolicy)
}

func (c *checker) trafficPolicy(p *path, t *networking.TrafficPolicy) {
	if t == nil {
		return
	}
	if t.OutlierDetection == nil && t.ConnectionPool == nil && t.LoadBalancer == nil && t.Tls == nil &&
		len(t.PortLevelSettings) == 0 && t.Tunnel == nil && t.ProxyProtocol == nil && t.RetryBudget == nil {
		c.refuse(p, nil, "is empty; leave it out or give it a setting")
		return
	}
	check := func() {
		c.outlierDetection(p.field("outlierDetection"), t.OutlierDetection)
		c.connectionPool(p.field("connectionPool"), t.ConnectionPool)
		c.loadBalancer(p.field("loadBalancer"), t.LoadBalancer, t.OutlierDetection)
		c.clientTLS(p.field("tls"), t.Tls)
		c.portLevelSettings(p.field("portLevelSettings"), t.PortLevelSettings)
		c.tunnel(p.field("tunnel"), t.Tunnel)
	}
	if t.Tunnel != nil && t.ProxyProtocol != nil {
		c.refuse(p.field("proxyProtocol"), nil, "cannot stand beside tunnel")
		c.unheard(check) // Istio looks no further
		return
	}
	check()
}

// portLevelSettings checks the policies of single ports. Istio does not look at
// the numbers.
func (c *checker) portLevelSettings(p *path, settings []*networking.TrafficPolicy_PortTrafficPolicy) {
	seen := map[uint32]bool{}
	for i, t := range settings {
		at := p.at(i)
		switch number := t.GetPort().GetNumber(); {
		case t.Port == nil:
			c.refuse(at.field("port"), nil, "is missing")
		case number < 1 || number > 65535:
			c.pointless(at.field("port").field("number"), number, "must be a port number from 1 to 65535")
		case seen[number]:
			c.pointless(at.field("port").field("number"), number, "has an earlier entry, which alone would count")
		default:
			seen[number] = true
		}
		if t.OutlierDetection == nil && t.ConnectionPool == nil && t.LoadBalancer == nil && t.Tls == nil {
			c.refuse(at, nil, "sets nothing: it needs loadBalancer, connectionPool, outlierDetection or tls")
			continue
		}
		c.unheard(func() {
			c.outlierDetection(at.field("outlierDetection"), t.OutlierDetection)
			c.connectionPool(at.field("connectionPool"), t.ConnectionPool)
			c.loadBalancer(at.field("loadBalancer"), t.LoadBalancer, t.OutlierDetection)
			c.clientTLS(at.field("tls"), t.Tls)
		})
	}
}

func (c *checker) tunnel(p *path, t *networking.TrafficPolicy_TunnelSettings) {
	if t == nil {
		return
	}
	if t.Protocol != "" && t.Protocol != "CONNECT" && t.Protocol != "POST" {
		c.refuse(p.field("protocol"), t.Protocol, "must be CONNECT or POST")
	}
	if problem := nameProblem(t.TargetHost); problem != "" && !isIP(t.TargetHost) {
		c.refuse(p.field("targetHost"), t.TargetHost, "%s", problem)
	}
	c.port(p.field("targetPort"), t.TargetPort)
}

func (c *checker) outlierDetection(p *path, o *networking.OutlierDetection) {
	if o == nil {
		return
	}
	c.duration(p.field("baseEjectionTime"), o.BaseEjectionTime)
	c.duration(p.field("interval"), o.Interval)
	if n := o.ConsecutiveErrors; n != 0 {
		inForce := "consecutive5xxErrors is in force, with its default of 5"
		if o.Consecutive_5XxErrors != nil {
			inForce = "consecutive5xxErrors is in force"
		}
		c.warn(p.field("consecutiveErrors"), n, "is withdrawn and does nothing: %s; write consecutive5xxErrors or consecutiveGatewayErrors", inForce)
	}
	if o.ConsecutiveLocalOriginFailures.GetValue() > 0 && !o.SplitExternalLocalOriginErrors {
		c.refuse(p.field("consecutiveLocalOriginFailures"), o.ConsecutiveLocalOriginFailures.GetValue(), "needs splitExternalLocalOriginErrors: true")
	}
	c.percent(p.field("maxEjectionPercent"), o.MaxEjectionPercent)
	c.percent(p.field("minHealthPercent"), o.MinHealthPercent)
}

func (c *checker) percent(p *path, n int32) {
	if n < 0 || n > 100 {
		c.refuse(p, n, "must be 0 to 100 per cent")
	}
}

func (c *checker) connectionPool(p *path, s *networking.ConnectionPoolSettings) {
	if s == nil {
		return
	}
	if s.Http == nil && s.Tcp == nil {
		c.refuse(p, nil, "is empty: it needs http or tcp")
	}
	if s.Http != nil {
		c.httpPool(p.field("http"), s.Http)
	}
	if s.Tcp != nil {
		c.tcpPool(p.field("tcp"), s.Tcp)
	}
}

func (c *checker) httpPool(p *path, h *networking.ConnectionPoolSettings_HTTPSettings) {
	c.notNegative(p.field("http1MaxPendingRequests"), h.Http1MaxPendingRequests)
	c.notNegative(p.field("http2MaxRequests"), h.Http2MaxRequests)
	c.notNegative(p.field("maxRequestsPerConnection"), h.MaxRequestsPerConnection)
	c.notNegative(p.field("maxRetries"), h.MaxRetries)
	c.notNegative(p.field("maxConcurrentStreams"), h.MaxConcurrentStreams)
	c.duration(p.field("idleTimeout"), h.IdleTimeout)
	if h.UseClientProtocol && h.H2UpgradePolicy == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		c.refuse(p.field("useClientProtocol"), true, "cannot stand beside h2UpgradePolicy: UPGRADE")
	}
	if alive := h.Http2KeepAlive; alive != nil {
		at := p.field("http2KeepAlive")
		if alive.Interval == nil {
			c.refuse(at.field("interval"), nil, "is missing")
		}
		if alive.Timeout == nil {
			c.refuse(at.field("timeout"), nil, "is missing")
		}
		c.duration(at.field("interval"), alive.Interval)
		c.duration(at.field("timeout"), alive.Timeout)
	}
}

func (c *checker) tcpPool(p *path, t *networking.ConnectionPoolSettings_TCPSettings) {
	c.notNegative(p.field("maxConnections"), t.MaxConnections)
	c.duration(p.field("connectTimeout"), t.ConnectTimeout)
	c.duration(p.field("maxConnectionDuration"), t.MaxConnectionDuration)
	if t.IdleTimeout.AsDuration().Milliseconds() != 0 { // 0 stands for no timeout here
		c.duration(p.field("idleTimeout"), t.IdleTimeout)
	}
	c.duration(p.field("tcpKeepalive").field("time"), t.TcpKeepalive.GetTime())
	c.duration(p.field("tcpKeepalive").field("interval"), t.TcpKeepalive.GetInterval())
}

func (c *checker) notNegative(p *path, n int32) {
	if n < 0 {
		c.refuse(p, n, "must not be negative")
	}
}

// clientTLS checks the settings of TLS to a destination.
func (c *checker) clientTLS(p *path, t *networking.ClientTLSSettings) {
	if t == nil {
		return
	}
	c.configMap(p.field("credentialName"), t.CredentialName)
	simple, mutual := t.Mode == networking.ClientTLSSettings_SIMPLE, t.Mode == networking.ClientTLSSettings_MUTUAL
	if t.InsecureSkipVerify.GetValue() && (simple || mutual) {
		const reason = "cannot stand beside insecureSkipVerify, which verifies nothing"
		if t.CaCertificates != "" {
			c.refuse(p.field("caCertificates"), t.CaCertificates, reason)
		}
		if len(t.SubjectAltNames) > 0 {
			c.refuse(p.field("subjectAltNames"), nil, reason)
		}
		if simple && t.CredentialName != "" {
			c.refuse(p.field("credentialName"), t.CredentialName, reason)
		}
	}
	if t.CredentialName != "" && (simple || mutual) {
		for _, file := range []struct{ name, value string }{
			{"clientCertificate", t.ClientCertificate}, {"privateKey", t.PrivateKey},
			{"caCertificates", t.CaCertificates}, {"caCrl", t.CaCrl},
		} {
			if file.value != "" {
				c.refuse(p.field(file.name), file.value, "cannot stand beside credentialName, which brings its own")
			}
		}
		return
	}
	if mutual && t.ClientCertificate == "" {
		c.refuse(p.field("clientCertificate"), nil, "is missing: mode MUTUAL needs it, or a credentialName")
	}
	if mutual && t.PrivateKey == "" {
		c.refuse(p.field("privateKey"), nil, "is missing: mode MUTUAL needs it, or a credentialName")
	}
}
