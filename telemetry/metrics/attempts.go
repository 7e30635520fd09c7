package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
)

// attempts are Envoy's statistics of what was sent to each cluster, as far as
// records tell them. It is a [prometheus.Collector].
type attempts struct {
	code, class, retriedCode, retriedClass *prometheus.Desc
	suffix                                 string // of a class: Istio says 2xx
	counters                               []counterOf
	time                                   *prometheus.HistogramVec

	mu       sync.Mutex
	clusters map[string]*traffic
}

// counterOf is a counter of a cluster without further labels.
type counterOf struct {
	desc  *prometheus.Desc
	value func(*traffic) uint64
}

// traffic is what was sent to one cluster.
type traffic struct {
	sent                                     atomic.Uint64 // attempts that had a connection
	retries, rescued, exhausted, overBudget  atomic.Uint64
	timeouts, perTry, gone, reset, noHealthy atomic.Uint64
	answers, retried                         codes // of requests, and of attempts that another one followed
	time                                     prometheus.Observer
}

// codes counts statuses from 100 to 599.
type codes [500]atomic.Uint64

func (c *codes) add(status int) {
	if status >= 100 && status < 600 {
		c[status-100].Add(1)
	}
}

func (c *codes) sum() (n uint64) {
	for i := range c {
		n += c[i].Load()
	}
	return n
}

func (c *codes) collect(to chan<- prometheus.Metric, code, class *prometheus.Desc, cluster, suffix string) {
	var sums [5]uint64
	for i := range c {
		n := c[i].Load()
		if n == 0 {
			continue
		}
		sums[i/100] += n
		to <- prometheus.MustNewConstMetric(code, prometheus.CounterValue, float64(n), cluster, strconv.Itoa(100+i))
	}
	for i, n := range sums {
		if n > 0 {
			to <- prometheus.MustNewConstMetric(class, prometheus.CounterValue, float64(n), cluster, strconv.Itoa(1+i)+suffix)
		}
	}
}

func (a *attempts) init(c *Config) {
	a.clusters = map[string]*traffic{}
	names := c.clusterLabels()
	a.suffix = names.suffix
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("envoy_cluster_"+name, help, append([]string{names.cluster}, more...), nil)
	}
	a.code = desc("upstream_rq", "Requests by the status of their answers.", names.code)
	a.class = desc("upstream_rq_xx", "Requests by the class of their answers.", names.class)
	a.retriedCode = desc("retry_upstream_rq", "Answers that another attempt followed.", names.code)
	a.retriedClass = desc("retry_upstream_rq_xx", "Answers that another attempt followed, by class.", names.class)
	for _, counter := range []struct {
		name, help string
		value      func(*traffic) uint64
	}{
		{"upstream_rq_total", "Attempts that were sent.", func(t *traffic) uint64 { return t.sent.Load() }},
		{"upstream_rq_completed", "Requests that have ended.", func(t *traffic) uint64 { return t.answers.sum() }},
		{"retry_upstream_rq_completed", "Answers that another attempt followed.", func(t *traffic) uint64 { return t.retried.sum() }},
		{"upstream_rq_retry", "Attempts after the first.", func(t *traffic) uint64 { return t.retries.Load() }},
		{"upstream_rq_retry_success", "Requests that passed at a further attempt.", func(t *traffic) uint64 { return t.rescued.Load() }},
		{"upstream_rq_retry_limit_exceeded", "Requests that failed with no attempt left.", func(t *traffic) uint64 { return t.exhausted.Load() }},
		{"upstream_rq_retry_overflow", "Retries that the budget refused.", func(t *traffic) uint64 { return t.overBudget.Load() }},
		{"upstream_rq_timeout", "Requests whose time ran out.", func(t *traffic) uint64 { return t.timeouts.Load() }},
		{"upstream_rq_per_try_timeout", "Attempts whose time ran out.", func(t *traffic) uint64 { return t.perTry.Load() }},
		{"upstream_rq_tx_reset", "Requests that the caller or a timeout ended.", func(t *traffic) uint64 { return t.gone.Load() }},
		{"upstream_rq_rx_reset", "Attempts that the server reset.", func(t *traffic) uint64 { return t.reset.Load() }},
		{"upstream_cx_none_healthy", "Requests for which there was no endpoint.", func(t *traffic) uint64 { return t.noHealthy.Load() }},
	} {
		a.counters = append(a.counters, counterOf{desc(counter.name, counter.help), counter.value})
	}
	a.time = prometheus.NewHistogramVec(c.histogram("envoy_cluster_upstream_rq_time", "Milliseconds until the last byte of the answer."), []string{names.cluster})
}

// of is the traffic of a cluster, nil for no name.
func (a *attempts) of(cluster string) *traffic {
	if cluster == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.clusters[cluster]
	if t == nil {
		t = &traffic{time: a.time.WithLabelValues(cluster)}
		a.clusters[cluster] = t
	}
	return t
}

// count counts a request and its attempts.
func (t *traffic) count(r *access.Record) {
	if r.Attempts == 0 {
		if r.Flags.Has(mesh.NoHealthyUpstream) {
			t.noHealthy.Add(1)
			t.answers.add(r.Status)
		}
		return
	}
	t.time.Observe(float64(r.Duration / time.Millisecond))
	t.answers.add(r.Status)
	if r.Attempts == 1 && r.Flags == "" {
		t.sent.Add(1)
		return
	}
	t.countAll(r)
}

// countAll counts attempts of which not all went well.
func (t *traffic) countAll(r *access.Record) {
	sent := r.Attempts
	for i := range r.Tries {
		try := &r.Tries[i]
		if try.Err == nil {
			t.retried.add(try.Status)
			continue
		}
		e := mesh.AsError(try.Err)
		t.retried.add(e.Status)
		if !t.failed(e.Flag, e.Details) {
			sent--
		}
	}
	if last := r.Flags.Without(mesh.RetriesExhausted); last != "" && r.Err != nil && !t.failed(last, r.Details) {
		sent--
	}
	t.sent.Add(uint64(max(sent, 0)))
	if r.Attempts > 1 {
		t.retries.Add(uint64(r.Attempts - 1))
		if r.Err == nil && r.Failure == "" && r.Status != 0 && r.Status < http.StatusInternalServerError {
			t.rescued.Add(1)
		}
	}
	if r.Flags.Has(mesh.RetriesExhausted) {
		t.exhausted.Add(1)
	}
	if r.Flags.Has(mesh.Overflow) && r.Details != mesh.ResetDetails(mesh.ReasonOverflow) {
		t.overBudget.Add(1)
	}
	if r.Flags.Has(mesh.ClientGone) {
		t.gone.Add(1)
	}
}

// failed counts how an attempt failed and reports whether it had a connection.
func (t *traffic) failed(flag mesh.Flag, details string) bool {
	switch {
	case flag.Has(mesh.ConnectFailure), flag.Has(mesh.NoHealthyUpstream),
		flag.Has(mesh.Overflow) && details == mesh.ResetDetails(mesh.ReasonOverflow):
		return false
	case details == mesh.DetailsPerTryTimeout:
		t.perTry.Add(1)
		t.gone.Add(1)
	case flag.Has(mesh.UpstreamTimeout):
		t.timeouts.Add(1)
		t.gone.Add(1)
	case flag.Has(mesh.RemoteReset):
		t.reset.Add(1)
	}
	return true
}

// Describe implements [prometheus.Collector].
func (a *attempts) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{a.code, a.class, a.retriedCode, a.retriedClass} {
		to <- d
	}
	for _, c := range a.counters {
		to <- c.desc
	}
	a.time.Describe(to)
}

// Collect implements [prometheus.Collector].
func (a *attempts) Collect(to chan<- prometheus.Metric) {
	a.mu.Lock()
	all := make(map[string]*traffic, len(a.clusters))
	for name, t := range a.clusters {
		all[name] = t
	}
	a.mu.Unlock()
	for name, t := range all {
		for _, c := range a.counters {
			to <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.value(t)), name)
		}
		t.answers.collect(to, a.code, a.class, name, a.suffix)
		t.retried.collect(to, a.retriedCode, a.retriedClass, name, a.suffix)
	}
	a.time.Collect(to)
}
