package build

import (
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// balance carries out loadBalancer.
func (u *update) balance(c *upstream.Config, t *plan.Target) {
	settings := t.Policy.LoadBalancer
	b := &c.Balance
	b.Rand = u.mesh.options.Rand
	switch settings.GetSimple() {
	case networking.LoadBalancerSettings_ROUND_ROBIN:
		b.Algorithm = lb.RoundRobin{}
	case networking.LoadBalancerSettings_RANDOM:
		b.Algorithm = lb.Random{}
	default:
		b.Algorithm = lb.LeastRequest{}
	}
	if h := settings.GetConsistentHash(); h != nil {
		b.Algorithm = hashAlgorithm(h)
		b.Hash = hashSources(t.Hash)
	}
	if w := settings.GetWarmup(); w != nil && settings.GetConsistentHash() == nil && settings.GetSimple() != networking.LoadBalancerSettings_RANDOM {
		b.Warmup = lb.Warmup{For: w.Duration.AsDuration(), Aggression: w.GetAggression().GetValue()}
		if w.MinimumPercent != nil {
			b.Warmup.Min = max(mesh.Percent(w.MinimumPercent.Value), 1)
		}
	} else if d := settings.GetWarmupDurationSecs(); d != nil && settings.GetConsistentHash() == nil {
		b.Warmup = lb.Warmup{For: d.AsDuration()}
	}
	u.locality(b, t)
	if o := t.Policy.OutlierDetection; o != nil {
		b.Panic, b.NoPanic = mesh.Percent(float64(o.MinHealthPercent)), o.MinHealthPercent == 0
	}
}

func hashAlgorithm(h *networking.LoadBalancerSettings_ConsistentHashLB) lb.Algorithm {
	switch a := h.HashAlgorithm.(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_Maglev:
		return lb.Maglev{TableSize: int(a.Maglev.GetTableSize())}
	case *networking.LoadBalancerSettings_ConsistentHashLB_RingHash_:
		return lb.RingHash{MinSize: int(a.RingHash.GetMinimumRingSize())}
	}
	return lb.RingHash{MinSize: int(h.MinimumRingSize)}
}

// hashSources are what requests are hashed by; none where nothing is said.
func hashSources(h *networking.LoadBalancerSettings_ConsistentHashLB) []lb.HashSource {
	switch k := h.GetHashKey().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		return []lb.HashSource{{Header: k.HttpHeaderName}}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		return []lb.HashSource{{Query: k.HttpQueryParameterName}}
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		if k.UseSourceIp {
			return []lb.HashSource{{SourceIP: true, Forwarded: true}}
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		c := &lb.HashCookie{Name: k.HttpCookie.Name, Path: k.HttpCookie.Path, Issue: k.HttpCookie.Ttl != nil, MaxAge: k.HttpCookie.Ttl.AsDuration()}
		for _, a := range k.HttpCookie.Attributes {
			c.Attributes = append(c.Attributes, lb.CookieAttribute{Name: a.Name, Value: a.Value})
		}
		return []lb.HashSource{{Cookie: c}}
	}
	return nil
}

// locality carries out localityLbSetting, the destination's or else the mesh's
// (section "Locality" of Istio's API): distribution works always, failover and
// nearness with outlier detection only.
func (u *update) locality(b *lb.Config, t *plan.Target) {
	setting := t.Policy.LoadBalancer.GetLocalityLbSetting()
	if setting == nil {
		setting = u.world.Mesh.GetLocalityLbSetting()
	}
	if setting.GetEnabled() != nil && !setting.Enabled.Value {
		return
	}
	client := u.mesh.options.Client
	if len(setting.GetDistribute()) > 0 {
		d := lb.Distribute{Local: client.Locality}
		for _, rule := range setting.Distribute {
			d.Rules = append(d.Rules, lb.Distribution{From: rule.From, To: rule.To})
		}
		b.Placement, b.LocalityWeighted = []lb.Placement{d}, true
		return
	}
	if t.Policy.OutlierDetection == nil {
		return
	}
	n := lb.Nearest{Local: client.Locality, Labels: client.Labels, By: setting.GetFailoverPriority()}
	for _, f := range setting.GetFailover() {
		n.Failover = append(n.Failover, lb.Failover{From: f.From, To: f.To})
	}
	b.Placement = []lb.Placement{n}
	b.LocalityWeighted = len(n.Failover)+len(n.By) > 0
}

// mergeWindow is how long Envoy's workers gather changes of health.
const mergeWindow = time.Second

// ejection carries out outlierDetection as Istio translates it for Envoy.
func ejection(c *upstream.Config, o *networking.OutlierDetection) {
	if o == nil {
		return
	}
	e := outlier.Config{
		Interval: o.Interval.AsDuration(), BaseEjection: o.BaseEjectionTime.AsDuration(),
		MaxEjected: mesh.Percent(float64(o.MaxEjectionPercent)), Split: o.SplitExternalLocalOriginErrors,
	}
	if e.MaxEjected == 0 {
		e.MaxEjected = mesh.Percent(10)
	}
	if o.Consecutive_5XxErrors != nil {
		e.Consecutive5xx = orOff(o.Consecutive_5XxErrors.Value)
	}
	if o.ConsecutiveGatewayErrors != nil {
		e.ConsecutiveGateway = orOff(o.ConsecutiveGatewayErrors.Value)
	}
	if e.Split {
		e.ConsecutiveLocal = -1 // detected but not enforced unless a number is given
		if n := o.ConsecutiveLocalOriginFailures.GetValue(); n > 0 {
			e.ConsecutiveLocal = int(n)
		}
	}
	e.Merge = mergeWindow
	e.MaxEjection = max(300*time.Second, e.BaseEjection)
	c.Ejection = e
}

// orOff is a count of which zero is off.
func orOff(n uint32) int {
	if n == 0 {
		return -1
	}
	return int(n)
}
