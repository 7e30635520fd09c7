package metrics

import (
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/telemetry"
	"github.com/sidecarless/mesh/upstream"
)

// Watch adds upstreams to those whose connections, limits, endpoints and ejections
// are told, under Envoy's names for clusters. They are listed anew whenever somebody
// asks. Upstreams of one name count as one.
func (m *Metrics) Watch(all iter.Seq[*upstream.Upstream]) {
	m.upstreams.mu.Lock()
	defer m.upstreams.mu.Unlock()
	m.upstreams.watched = append(m.upstreams.watched, all)
}

// clusterNames are the names of the labels of clusters.
type clusterNames struct{ cluster, code, class, suffix string }

func (c *Config) clusterLabels() clusterNames {
	if c.EnvoyLabels {
		return clusterNames{"envoy_cluster_name", "envoy_response_code", "envoy_response_code_class", ""}
	}
	return clusterNames{"cluster_name", "response_code", "response_code_class", "xx"}
}

// upstreams are Envoy's statistics of clusters that are states of this process. It is
// a [prometheus.Collector].
type upstreams struct {
	gauges []gaugeOf

	mu      sync.Mutex
	watched []iter.Seq[*upstream.Upstream]
}

// gaugeOf is one statistic. Those of upstreams of one name are added up.
type gaugeOf struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*snapshot) float64
}

// A snapshot is an upstream at a moment.
type snapshot struct {
	upstream.Stats
	found            map[outlier.Reason]outlier.Count
	members, healthy int
	remaining        [4]float64 // connections, pending, requests, retries
	open             [4]bool    // of these, whether none is left
}

// unlimited is what Envoy says remains of what has no limit.
const unlimited = math.MaxUint64

func snapshotOf(u *upstream.Upstream) *snapshot {
	s := &snapshot{Stats: u.Stats(), found: u.Detector().Counts()}
	b := u.Balancer().Stats()
	for i := range b.Hosts {
		s.members++
		if b.Hosts[i].Healthy && !b.Hosts[i].Ejected {
			s.healthy++
		}
	}
	limits := u.Limits()
	for i, of := range [...]struct{ most, used int }{
		{limits.MaxConnections, s.Limits.Connections}, {limits.MaxPending, s.Limits.Pending}, {limits.MaxRequests, s.Limits.Requests},
	} {
		s.remaining[i] = unlimited
		if of.most != 0 {
			s.left(i, of.most-of.used)
		}
	}
	s.remaining[3] = unlimited
	if budget := u.RetryBudget(); budget != nil {
		if allowed := budget.Allowed(); allowed < math.MaxInt32 {
			s.left(3, allowed-budget.Stats().Retries)
		}
	}
	return s
}

func (s *snapshot) left(i, n int) { s.remaining[i], s.open[i] = float64(max(n, 0)), n <= 0 }

func (s *snapshot) isOpen(i int) float64 {
	if s.open[i] {
		return 1
	}
	return 0
}

func (u *upstreams) init(c *Config) {
	names := c.clusterLabels()
	add := func(kind prometheus.ValueType, name, help string, value func(*snapshot) float64) {
		u.gauges = append(u.gauges, gaugeOf{prometheus.NewDesc("envoy_cluster_"+name, help, []string{names.cluster}, nil), kind, value})
	}
	gauge := func(name, help string, value func(*snapshot) float64) { add(prometheus.GaugeValue, name, help, value) }
	counter := func(name, help string, value func(*snapshot) float64) {
		add(prometheus.CounterValue, name, help, value)
	}

	gauge("upstream_cx_active", "Open connections.", func(s *snapshot) float64 { return float64(s.Connections.Open) })
	counter("upstream_cx_total", "Connections that were opened.", func(s *snapshot) float64 { return float64(s.Connections.Opened) })
	counter("upstream_cx_destroy", "Connections that were closed.", func(s *snapshot) float64 {
		return max(0, float64(s.Connections.Opened)-float64(s.Connections.Open))
	})
	counter("upstream_cx_connect_fail", "Connections that could not be opened.", func(s *snapshot) float64 { return float64(s.Connections.Failed) })
	counter("upstream_cx_overflow", "Requests for which there was no room for a connection.", func(s *snapshot) float64 { return float64(s.Limits.Waits) })
	gauge("upstream_rq_active", "Requests under way.", func(s *snapshot) float64 { return float64(s.Connections.Active) })
	gauge("upstream_rq_pending_active", "Requests that wait for a connection.", func(s *snapshot) float64 { return float64(s.Connections.Waiting) })
	counter("upstream_rq_pending_overflow", "Requests refused because too many waited.", func(s *snapshot) float64 { return float64(s.Limits.NoPlace) })
	counter("upstream_rq_active_overflow", "Requests refused because too many were under way.", func(s *snapshot) float64 {
		return float64(s.Limits.Overflows - s.Limits.NoPlace)
	})

	gauge("membership_total", "Endpoints.", func(s *snapshot) float64 { return float64(s.members) })
	gauge("membership_healthy", "Endpoints that are neither ejected nor failing their health checks.", func(s *snapshot) float64 { return float64(s.healthy) })

	for i, name := range [...]struct{ open, remaining string }{{"cx", "cx"}, {"rq_pending", "pending"}, {"rq", "rq"}, {"rq_retry", "retries"}} {
		gauge("circuit_breakers_default_"+name.open+"_open", "Whether the limit is reached.", func(s *snapshot) float64 { return s.isOpen(i) })
		gauge("circuit_breakers_default_remaining_"+name.remaining, "How much is left until the limit.", func(s *snapshot) float64 { return s.remaining[i] })
	}

	gauge("outlier_detection_ejections_active", "Ejected endpoints.", func(s *snapshot) float64 { return float64(s.Ejections.Ejected) })
	counter("outlier_detection_ejections_enforced_total", "Ejections.", func(s *snapshot) float64 { return float64(s.Ejections.Enforced) })
	counter("outlier_detection_ejections_overflow", "Ejections left out because too many endpoints were out.", func(s *snapshot) float64 {
		return float64(s.Ejections.Overflow)
	})
	for _, reason := range []outlier.Reason{
		outlier.Consecutive5xx, outlier.ConsecutiveGateway, outlier.ConsecutiveLocal, outlier.LowSuccessRate, outlier.HighFailureShare,
	} {
		name := "outlier_detection_ejections_"
		counter(name+"detected_"+string(reason), "Endpoints found out.", func(s *snapshot) float64 { return float64(s.found[reason].Detected) })
		counter(name+"enforced_"+string(reason), "Endpoints found out and ejected.", func(s *snapshot) float64 { return float64(s.found[reason].Enforced) })
	}
}

// each calls do for each upstream.
func (u *upstreams) each(do func(*upstream.Upstream)) {
	u.mu.Lock()
	watched := slices.Clone(u.watched)
	u.mu.Unlock()
	for _, all := range watched {
		for one := range all {
			do(one)
		}
	}
}

// namespace is that of the service of a cluster, as far as it is known.
func (u *upstreams) namespace(cluster string) (namespace string) {
	u.each(func(one *upstream.Upstream) {
		if one.Name() == cluster {
			namespace = one.Service().Namespace
		}
	})
	return namespace
}

// workload is what the labels of an endpoint tell of who is there, or nil. As with
// Istio they tell neither its app nor its version.
func (u *upstreams) workload(cluster, addr string) (w *mesh.Workload) {
	if addr == "" {
		return nil
	}
	u.each(func(one *upstream.Upstream) {
		if one.Name() != cluster {
			return
		}
		host := one.Balancer().Host(addr)
		if host == nil {
			return
		}
		told := telemetry.FromLabels(host.Endpoint().Labels)
		if told.Name == "" {
			return
		}
		told.App, told.Version = "", ""
		told.Namespace = one.Service().Namespace
		w = &told
	})
	return w
}

// Describe implements [prometheus.Collector].
func (u *upstreams) Describe(to chan<- *prometheus.Desc) {
	for i := range u.gauges {
		to <- u.gauges[i].desc
	}
}

// Collect implements [prometheus.Collector].
func (u *upstreams) Collect(to chan<- prometheus.Metric) {
	sums := map[string][]float64{}
	u.each(func(one *upstream.Upstream) {
		values := sums[one.Name()]
		if values == nil {
			values = make([]float64, len(u.gauges))
			sums[one.Name()] = values
		}
		s := snapshotOf(one)
		for i := range u.gauges {
			values[i] += u.gauges[i].value(s)
		}
	})
	for name, values := range sums {
		for i, g := range u.gauges {
			to <- prometheus.MustNewConstMetric(g.desc, g.kind, values[i], name)
		}
	}
}
