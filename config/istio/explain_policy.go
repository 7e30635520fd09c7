package istio

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
)

const unlimited = "unlimited"

// policySettings are what holds for a destination.
func policySettings(t *plan.Target, w *plan.World) []Setting {
	var all []Setting
	block := func(block any, name string, fill func(*settingList)) {
		l := settingList{}
		l.place = func(field string) string {
			if at, ok := t.Policy.PlaceOf(block); ok {
				return at.Of(strings.TrimPrefix(strings.TrimPrefix(field, name), "."))
			}
			return w.MeshAt("defaultTrafficPolicy." + field)
		}
		fill(&l)
		all = append(all, l.all...)
	}
	p := t.Policy
	block(p.LoadBalancer, "loadBalancer", func(l *settingList) { l.balancing(p.LoadBalancer, p.OutlierDetection != nil, w) })
	block(p.ConnectionPool, "connectionPool", func(l *settingList) {
		place := l.place
		l.place = func(field string) string {
			if field := ofMesh(field, p.ConnectionPool); field != "" {
				return w.MeshAt(field)
			}
			return place(field)
		}
		l.pool(t.Pool, t.Port.Protocol)
	})
	block(p.RetryBudget, "retryBudget", func(l *settingList) { l.budget(p.RetryBudget) })
	block(p.OutlierDetection, "outlierDetection", func(l *settingList) { l.ejection(p.OutlierDetection) })
	block(p.TLS, "tls", func(l *settingList) { l.tls(p.TLS, t.Service) })
	return all
}

func (l *settingList) tls(s *networking.ClientTLSSettings, to *plan.Service) {
	l.orDefault(s != nil, "tls.mode", s.GetMode().String(), "plain text")
	switch s.GetMode() {
	case networking.ClientTLSSettings_SIMPLE, networking.ClientTLSSettings_MUTUAL:
	default:
		return
	}
	l.orDefault(s.Sni != "", "tls.sni", s.Sni, "the host of the request")
	l.orDefault(s.CaCertificates != "", "tls.caCertificates", s.CaCertificates, "those of the system")
	switch {
	case s.InsecureSkipVerify.GetValue():
		l.given("tls.insecureSkipVerify", "true: nobody is kept from posing as the server")
	case len(s.SubjectAltNames) == 0 && len(to.SANs) > 0:
		l.all = append(l.all, Setting{"tls.subjectAltNames", strings.Join(to.SANs, ", "), to.Source})
	default:
		l.orDefault(len(s.SubjectAltNames) > 0, "tls.subjectAltNames", strings.Join(s.SubjectAltNames, ", "), "the name asked for")
	}
}

func (l *settingList) balancing(s *networking.LoadBalancerSettings, ejects bool, world *plan.World) {
	switch {
	case s.GetConsistentHash() != nil:
		l.given("loadBalancer.consistentHash", hashText(s.GetConsistentHash()))
	default:
		simple := s.GetSimple()
		l.orDefault(simple != networking.LoadBalancerSettings_UNSPECIFIED, "loadBalancer.simple", simple.String(), "LEAST_REQUEST")
	}
	if w := s.GetWarmup(); w != nil {
		l.given("loadBalancer.warmup.duration", w.Duration.AsDuration().String())
		l.orDefault(w.MinimumPercent != nil, "loadBalancer.warmup.minimumPercent", fmt.Sprint(w.MinimumPercent.GetValue()), "10")
		l.orDefault(w.Aggression != nil, "loadBalancer.warmup.aggression", fmt.Sprint(w.Aggression.GetValue()), "1")
	}
	const name = "loadBalancer.localityLbSetting"
	own := s.GetLocalityLbSetting()
	setting := own
	if own == nil {
		setting = world.Mesh.GetLocalityLbSetting()
	}
	value := "all alike, near and far"
	switch {
	case setting.GetEnabled() != nil && !setting.Enabled.Value:
		value = "off"
	case len(setting.GetDistribute()) > 0:
		value = distributeText(setting.Distribute)
	case ejects:
		value = "nearest first" + failoverText(setting) // which outlierDetection brings with it
	}
	switch {
	case own != nil:
		l.given(name, value)
	case setting != nil:
		l.all = append(l.all, Setting{name, value, world.MeshAt("localityLbSetting")})
	default:
		l.all = append(l.all, Setting{name, value, DefaultOfIstio})
	}
}

func distributeText(list []*networking.LocalityLoadBalancerSetting_Distribute) string {
	var parts []string
	for _, d := range list {
		var shares []string
		for _, to := range slices.Sorted(maps.Keys(d.To)) {
			shares = append(shares, fmt.Sprintf("%d %% %s", d.To[to], to))
		}
		parts = append(parts, "from "+d.From+": "+strings.Join(shares, ", "))
	}
	return "fixed shares " + strings.Join(parts, "; ")
}

func failoverText(s *networking.LocalityLoadBalancerSetting) string {
	var b strings.Builder
	for _, f := range s.GetFailover() {
		fmt.Fprintf(&b, ", from %s to %s", f.From, f.To)
	}
	if labels := s.GetFailoverPriority(); len(labels) > 0 {
		b.WriteString(", by " + strings.Join(labels, ", "))
	}
	return b.String()
}

func hashText(h *networking.LoadBalancerSettings_ConsistentHashLB) string {
	key := "nothing: a random endpoint"
	switch k := h.HashKey.(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		key = "header " + k.HttpHeaderName
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		key = "query parameter " + k.HttpQueryParameterName
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		key = "cookie " + k.HttpCookie.Name
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		if k.UseSourceIp {
			key = "the caller's address"
		}
	}
	algorithm := fmt.Sprintf("ring of %d", cmp.Or(h.GetRingHash().GetMinimumRingSize(), h.GetMinimumRingSize(), 1024)) //nolint:staticcheck // an old field that is carried out
	if m := h.GetMaglev(); m != nil {
		algorithm = fmt.Sprintf("Maglev of %d", m.TableSize)
	}
	return algorithm + " by " + key
}

// Settings of a pool that the mesh has, too.
const (
	connectTimeout = "connectionPool.tcp.connectTimeout"
	tcpKeepalive   = "connectionPool.tcp.tcpKeepalive"
	upgradePolicy  = "connectionPool.http.h2UpgradePolicy"
)

// ofMesh is the mesh-wide setting that holds where a pool as it is written does not
// say a field, or empty.
func ofMesh(field string, written *networking.ConnectionPoolSettings) string {
	switch {
	case field == connectTimeout && written.GetTcp().GetConnectTimeout() == nil:
		return "connectTimeout"
	case field == tcpKeepalive && written.GetTcp().GetTcpKeepalive() == nil:
		return "tcpKeepalive"
	case field == upgradePolicy && written.GetHttp().GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_DEFAULT:
		return "h2UpgradePolicy"
	}
	return ""
}

func (l *settingList) pool(p *networking.ConnectionPoolSettings, protocol string) {
	tcp, http := p.GetTcp(), p.GetHttp()
	l.duration(connectTimeout, tcp.GetConnectTimeout(), "10s")
	l.count("connectionPool.tcp.maxConnections", tcp.GetMaxConnections(), unlimited)
	l.count("connectionPool.http.http1MaxPendingRequests", http.GetHttp1MaxPendingRequests(), unlimited)
	l.count("connectionPool.http.http2MaxRequests", http.GetHttp2MaxRequests(), unlimited)
	l.count("connectionPool.http.maxRequestsPerConnection", http.GetMaxRequestsPerConnection(), unlimited)
	l.count("connectionPool.http.maxRetries", http.GetMaxRetries(), unlimited)
	if http.GetIdleTimeout() == nil && tcp.GetIdleTimeout() != nil {
		l.duration("connectionPool.tcp.idleTimeout", tcp.IdleTimeout, "")
	} else {
		l.duration("connectionPool.http.idleTimeout", http.GetIdleTimeout(), "1h0m0s")
	}
	if tcp.GetMaxConnectionDuration() != nil {
		l.duration("connectionPool.tcp.maxConnectionDuration", tcp.MaxConnectionDuration, "")
	}
	if k := tcp.GetTcpKeepalive(); k != nil {
		l.given(tcpKeepalive, keepaliveText(k))
	}
	switch policy := http.GetH2UpgradePolicy(); {
	case protocol == "HTTP2", protocol == "GRPC", protocol == "GRPC-WEB":
		l.all = append(l.all, Setting{upgradePolicy, "HTTP/2, since the port is " + protocol, DefaultOfIstio})
	default:
		l.orDefault(policy != networking.ConnectionPoolSettings_HTTPSettings_DEFAULT, upgradePolicy, policy.String(), "HTTP/1.1")
	}
	if n := http.GetMaxConcurrentStreams(); n != 0 {
		l.count("connectionPool.http.maxConcurrentStreams", n, "")
	}
	if k := http.GetHttp2KeepAlive(); k != nil {
		l.given("connectionPool.http.http2KeepAlive", fmt.Sprintf("after %v, for %v", k.Interval.AsDuration(), k.Timeout.AsDuration()))
	}
}

func keepaliveText(k *networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive) string {
	var parts []string
	if k.Time != nil {
		parts = append(parts, "after "+k.Time.AsDuration().String())
	}
	if k.Interval != nil {
		parts = append(parts, "every "+k.Interval.AsDuration().String())
	}
	if k.Probes > 0 {
		parts = append(parts, fmt.Sprintf("%d times", k.Probes))
	}
	if len(parts) == 0 {
		return "as the system does it"
	}
	return strings.Join(parts, ", ")
}

func (l *settingList) budget(b *networking.TrafficPolicy_RetryBudget) {
	if b == nil {
		return
	}
	l.orDefault(b.Percent != nil, "retryBudget.percent", fmt.Sprint(b.Percent.GetValue()), "20")
	l.orDefault(b.MinRetryConcurrency > 0, "retryBudget.minRetryConcurrency", fmt.Sprint(b.MinRetryConcurrency), "3")
}

func (l *settingList) ejection(o *networking.OutlierDetection) {
	if o == nil {
		l.orDefault(false, "outlierDetection", "", "none")
		return
	}
	const prefix = "outlierDetection."
	detector := func(name string, n *wrapperspb.UInt32Value, otherwise string) {
		value := strconv.Itoa(int(n.GetValue()))
		if n.GetValue() == 0 {
			value = "off"
		}
		l.orDefault(n != nil, prefix+name, value, otherwise)
	}
	detector("consecutive5xxErrors", o.Consecutive_5XxErrors, "5")
	detector("consecutiveGatewayErrors", o.ConsecutiveGatewayErrors, "off")
	if o.SplitExternalLocalOriginErrors {
		detector("consecutiveLocalOriginFailures", o.ConsecutiveLocalOriginFailures, "off")
	}
	l.duration(prefix+"interval", o.Interval, "10s")
	l.duration(prefix+"baseEjectionTime", o.BaseEjectionTime, "30s")
	l.orDefault(o.MaxEjectionPercent != 0, prefix+"maxEjectionPercent", fmt.Sprint(o.MaxEjectionPercent), "10")
	l.orDefault(o.MinHealthPercent != 0, prefix+"minHealthPercent", fmt.Sprint(o.MinHealthPercent), "0")
}
