package istio

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
)

const unlimited = "unlimited"

// policySettings are what holds for a destination.
func policySettings(t *plan.Target, m *meshconfig.MeshConfig) []Setting {
	var all []Setting
	block := func(block any, name string, fill func(*settingList)) {
		l := settingList{}
		l.place = func(field string) string {
			if at, ok := t.Policy.PlaceOf(block); ok {
				return at.Of(strings.TrimPrefix(strings.TrimPrefix(field, name), "."))
			}
			return "MeshConfig: defaultTrafficPolicy"
		}
		fill(&l)
		all = append(all, l.all...)
	}
	p := t.Policy
	block(p.LoadBalancer, "loadBalancer", func(l *settingList) { l.balancing(p.LoadBalancer, p.OutlierDetection != nil, m) })
	block(p.ConnectionPool, "connectionPool", func(l *settingList) { l.pool(p.ConnectionPool) })
	block(p.RetryBudget, "retryBudget", func(l *settingList) { l.budget(p.RetryBudget) })
	block(p.OutlierDetection, "outlierDetection", func(l *settingList) { l.ejection(p.OutlierDetection) })
	block(p.TLS, "tls", func(l *settingList) {
		l.orDefault(p.TLS != nil, "tls.mode", p.TLS.GetMode().String(), "plain text")
	})
	return all
}

func (l *settingList) balancing(s *networking.LoadBalancerSettings, ejects bool, m *meshconfig.MeshConfig) {
	switch {
	case s.GetConsistentHash() != nil:
		l.given("loadBalancer.consistentHash", hashText(s.GetConsistentHash()))
	default:
		simple := s.GetSimple()
		l.orDefault(simple != networking.LoadBalancerSettings_UNSPECIFIED, "loadBalancer.simple", simple.String(), "LEAST_REQUEST")
	}
	if w := s.GetWarmup(); w != nil {
		l.given("loadBalancer.warmup", w.Duration.AsDuration().String())
	}
	const name = "loadBalancer.localityLbSetting"
	own := s.GetLocalityLbSetting()
	setting := own
	if own == nil {
		setting = m.GetLocalityLbSetting()
	}
	value := "all alike, near and far"
	switch {
	case setting.GetEnabled() != nil && !setting.Enabled.Value:
		value = "off"
	case len(setting.GetDistribute()) > 0:
		value = "fixed shares"
	case ejects:
		value = "nearest first" // which outlierDetection brings with it
	}
	switch {
	case own != nil:
		l.given(name, value)
	case setting != nil:
		l.all = append(l.all, Setting{name, value, "MeshConfig: localityLbSetting"})
	default:
		l.all = append(l.all, Setting{name, value, DefaultOfIstio})
	}
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
	algorithm := "ring"
	if h.GetMaglev() != nil {
		algorithm = "Maglev"
	}
	return algorithm + " by " + key
}

func (l *settingList) pool(p *networking.ConnectionPoolSettings) {
	tcp, http := p.GetTcp(), p.GetHttp()
	l.duration("connectionPool.tcp.connectTimeout", tcp.GetConnectTimeout(), "10s")
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
