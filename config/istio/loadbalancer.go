package istio

import (
	"math"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Bounds of consistent hashing: Maglev's by Istio, the ring's by Envoy.
const (
	maglevBound = 5000011
	maxRing     = 8 << 20
)

func (c *checker) loadBalancer(p *manifest.Path, lb *networking.LoadBalancerSettings, outlier *networking.OutlierDetection) {
	if lb == nil {
		return
	}
	c.consistentHash(p.Field("consistentHash"), lb.GetConsistentHash())
	if lb.LocalityLbSetting != nil && lb.ZoneAwareLbSetting != nil {
		c.refuse(p.Field("zoneAwareLbSetting"), nil, "cannot stand beside localityLbSetting")
	}
	c.locality(p.Field("localityLbSetting"), lb.LocalityLbSetting, outlier)
	c.zoneAware(p.Field("zoneAwareLbSetting"), lb.ZoneAwareLbSetting, outlier)
	if w := lb.Warmup; w != nil {
		at := p.Field("warmup")
		c.duration(at.Field("duration"), w.Duration)
		if w.Aggression != nil && w.Aggression.Value <= 0 {
			c.refuse(at.Field("aggression"), w.Aggression.Value, "must be more than 0")
		}
		if w.MinimumPercent.GetValue() > 100 {
			c.refuse(at.Field("minimumPercent"), w.MinimumPercent.GetValue(), "must be at most 100")
		}
	}
	c.atLeastMillisecond(p.Field("warmupDurationSecs"), lb.WarmupDurationSecs)
}

func (c *checker) consistentHash(p *manifest.Path, h *networking.LoadBalancerSettings_ConsistentHashLB) {
	if h == nil {
		return
	}
	if name, ok := h.HashKey.(*networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName); ok && name.HttpHeaderName == "" {
		c.pointless(p.Field("httpHeaderName"), nil, "must not be empty")
	}
	if cookie := h.GetHttpCookie(); cookie != nil {
		at := p.Field("httpCookie")
		if cookie.Name == "" {
			c.refuse(at.Field("name"), nil, "must not be empty")
		}
		seen := map[string]bool{}
		for i, a := range cookie.Attributes {
			switch name := at.Field("attributes").At(i).Field("name"); {
			case a.Name == "":
				c.refuse(name, nil, "must not be empty")
			case seen[a.Name]:
				c.refuse(name, a.Name, "is given twice")
			}
			seen[a.Name] = true
		}
	}
	if n := h.MinimumRingSize; n != 0 {
		at := p.Field("minimumRingSize")
		c.warn(at, nil, "is out of date; write ringHash: {minimumRingSize: %d}", n)
		if h.HashAlgorithm != nil {
			c.refuse(at, n, "cannot stand beside ringHash or maglev")
		}
		c.ringSize(at, n)
	}
	c.ringSize(p.Field("ringHash").Field("minimumRingSize"), h.GetRingHash().GetMinimumRingSize())
	if m := h.GetMaglev(); m != nil && (m.TableSize >= maglevBound || !isPrime(m.TableSize)) {
		c.refuse(p.Field("maglev").Field("tableSize"), m.TableSize, "must be a prime number below %d, such as 65537", maglevBound)
	}
}

func (c *checker) ringSize(p *manifest.Path, n uint64) {
	if n > maxRing {
		c.pointless(p, n, "must be at most %d", maxRing)
	}
}

// isPrime tells whether n is a prime number, 1 included as Envoy has it.
func isPrime(n uint64) bool {
	if n < 4 {
		return n != 0
	}
	if n%2 == 0 {
		return false
	}
	for f := uint64(3); f <= uint64(math.Sqrt(float64(n))); f += 2 {
		if n%f == 0 {
			return false
		}
	}
	return true
}

// isTopology tells whether a label says where a workload runs.
func isTopology(label string) bool {
	switch label {
	case "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone":
		return true
	}
	return false
}

// locality checks how load is kept near. Istio's check ends at the first
// mistake in it.
func (c *checker) locality(p *manifest.Path, l *networking.LocalityLoadBalancerSetting, outlier *networking.OutlierDetection) {
	if l == nil {
		return
	}
	failover := p.Field("failover")
	if len(l.Distribute) > 0 && len(l.Failover) > 0 {
		c.refuse(failover, nil, "cannot stand beside %s: keep distribute for fixed shares without failover, or failover with outlierDetection to stay local and spill over", p.Field("distribute"))
		return
	}
	if len(l.Failover) > 0 {
		for i, label := range l.FailoverPriority {
			if isTopology(label) {
				c.refuse(p.Field("failoverPriority").At(i), label, "cannot be ranked beside failover, which ranks regions itself")
				return
			}
		}
	}
	if !c.distribute(p.Field("distribute"), l.Distribute) {
		return
	}
	if (len(l.Failover) > 0 || len(l.FailoverPriority) > 0) && outlier == nil {
		c.warn(p, nil, "has no effect without outlierDetection in the same policy: endpoints that are never ejected never fail over")
	}
	for i, f := range l.Failover {
		c.failover(failover.At(i), f.From, f.To)
	}
}

// distribute checks the shares of localities, and reports whether Istio would
// look further.
func (c *checker) distribute(p *manifest.Path, all []*networking.LocalityLoadBalancerSetting_Distribute) bool {
	sources := make([]string, 0, len(all))
	for i, d := range all {
		to := p.At(i).Field("to")
		var sum uint32
		for _, locality := range sortedKeys(d.To) {
			weight := d.To[locality]
			if weight < 1 || weight > 100 {
				c.refuse(to.Key(locality), weight, "must be 1 to 100 per cent")
				return false
			}
			sum += weight
		}
		if sum != 100 {
			c.refuse(to, sum, "the shares must add up to 100")
			return false
		}
		c.shareTargets(to, sortedKeys(d.To))
		sources = append(sources, d.From)
	}
	c.shareSources(p, sources)
	return true
}

// shareTargets checks the localities that share the load. They are a map, so
// Istio's verdict on overlaps depends on chance; any is refused.
func (c *checker) shareTargets(p *manifest.Path, targets []string) {
	for i, b := range targets {
		if problem := localityProblem(b); problem != "" {
			c.refuse(p.Key(b), nil, "%s", problem)
			return
		}
		for _, a := range targets[:i] {
			if hides(a, b) || hides(b, a) {
				c.refuse(p.Key(b), nil, "overlaps with %s", a)
				return
			}
		}
	}
}

// shareSources checks the localities that are distributed from. Istio sees an
// overlap only if the wider one stands first.
func (c *checker) shareSources(p *manifest.Path, sources []string) {
	for i, b := range sources {
		at := p.At(i).Field("from")
		if problem := localityProblem(b); problem != "" {
			c.refuse(at, b, "%s", problem)
			return
		}
		for _, a := range sources[:i] {
			if hides(a, b) {
				c.refuse(at, b, "overlaps with the earlier %q", a)
				return
			}
			if hides(b, a) {
				c.pointless(at, b, "overlaps with the earlier %q", a)
			}
		}
	}
}

// localityProblem says what is wrong with a locality: region, region/zone or
// region/zone/subzone, the last part of which may be *.
func localityProblem(l string) string {
	switch n := strings.Count(l, "*"); {
	case n > 1, n == 1 && !strings.HasSuffix(l, "*"):
		return "may have one *, at the end"
	}
	for _, part := range strings.SplitN(l, "/", 3) {
		if part == "" {
			return "must be region, region/zone or region/zone/subzone, without empty parts"
		}
	}
	return ""
}

// hides tells whether a locality takes in another that is named behind it.
func hides(a, b string) bool {
	as, bs := strings.SplitN(a, "/", 3), strings.SplitN(b, "/", 3)
	if a == "*" {
		return true
	}
	if as[0] != bs[0] {
		return false
	}
	if len(as) == 1 || len(bs) == 1 || as[1] == "*" {
		return true
	}
	if as[1] != bs[1] {
		return false
	}
	return len(as) == 2 || len(bs) == 2 || as[2] == "*" || as[2] == bs[2]
}

// zoneAware checks the setting that leaves zones to Envoy.
func (c *checker) zoneAware(p *manifest.Path, z *networking.ZoneAwareLoadBalancerSetting, outlier *networking.OutlierDetection) {
	if z == nil {
		return
	}
	for i, label := range z.FailoverPriority {
		if isTopology(label) {
			c.refuse(p.Field("failoverPriority").At(i), label, "cannot be ranked here: regions and zones are ranked anyway")
		}
	}
	if (len(z.Failover) > 0 || len(z.FailoverPriority) > 0) && outlier == nil {
		c.warn(p, nil, "has no failover without outlierDetection in the same policy: endpoints that are never ejected never fail over")
	}
	for i, f := range z.Failover {
		c.failover(p.Field("failover").At(i), f.From, f.To)
	}
}

// failover checks from which region to which other load moves.
func (c *checker) failover(p *manifest.Path, from, to string) {
	if from == to {
		c.refuse(p.Field("to"), to, "must be another region than from")
	}
	for _, end := range []struct{ name, region string }{{"from", from}, {"to", to}} {
		switch {
		case strings.Contains(end.region, "/"):
			c.refuse(p.Field(end.name), end.region, "must be a region alone, without a zone")
		case strings.Contains(end.region, "*"):
			c.refuse(p.Field(end.name), end.region, "must be a region, without a wildcard")
		}
	}
}
