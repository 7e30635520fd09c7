package metrics

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/telemetry"
)

// Config says who counts, and how. Only Registerer is required.
type Config struct {
	// Registerer is where the metrics are registered.
	Registerer prometheus.Registerer

	// Workload is the process; what is missing is as [telemetry.WithDefaults] has it.
	Workload mesh.Workload

	// Service is the host of the service that this workload is a server of, such as
	// "reviews.shop.svc.cluster.local": the destination_service of what
	// [Metrics.Destination] counts. It should be set, since callers count under that
	// name: without it it is the Host of each request, which is the caller's choice.
	Service string

	// NoHost does not fall back on the Host of a request where the service is not known
	// otherwise (Istio's disable_host_header_fallback): a client says unknown then, and a
	// server its canonical name.
	NoHost bool

	// ReportClientTLS makes a client tell whether its connections use mutual TLS. A
	// sidecar says unknown for what it sends, and only the server's side tells.
	ReportClientTLS bool

	// EnvoyLabels names the labels of destinations as Envoy does without Istio:
	// envoy_cluster_name, envoy_response_code and envoy_response_code_class.
	EnvoyLabels bool

	// Buckets are the bounds of all histograms, in milliseconds and in bytes, in
	// ascending order; nil are Istio's.
	Buckets []float64

	// Native, if above 1, gives histograms native buckets as well, each wider than the
	// one before by that factor; 1.1 is usual. Beware: a server that scrapes native
	// histograms leaves out the others unless it is told not to
	// (always_scrape_classic_histograms), and then dashboards of Istio stay empty.
	Native float64

	// MaxSeries is how many sets of labels there may be. Further ones are counted as one
	// whose labels are unknown. Zero is 2000.
	MaxSeries int

	// MaxPeers is how many workloads are told apart on the other side, which name
	// themselves. Further ones are unknown. Zero is 500.
	MaxPeers int

	// Version is what istio_build says.
	Version string
}

const (
	defaultMaxSeries = 2000
	defaultMaxPeers  = 500
)

// istioBuckets are Istio's, for durations and for bytes.
var istioBuckets = [...]float64{
	0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
}

// Metrics counts requests. It is made by [New].
type Metrics struct {
	config      Config
	own         mesh.Workload
	destination service // of what is served; unknown unless Config.Service says

	families  families
	clients   reporter
	servers   reporter
	folded    prometheus.Counter
	attempts  attempts
	upstreams upstreams

	mu    sync.Mutex // guards what follows; taken for what is new only
	sets  map[labels]*series
	peers map[mesh.Workload]bool
}

// families are the metrics that have a set of labels.
type families struct {
	requests                          *prometheus.CounterVec
	duration, received, sent          *prometheus.HistogramVec
	requestMessages, responseMessages *prometheus.CounterVec
}

// New makes metrics and registers them. The error lists every problem.
func New(c Config) (*Metrics, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Buckets == nil {
		c.Buckets = istioBuckets[:]
	}
	c.MaxSeries = cmp.Or(c.MaxSeries, defaultMaxSeries)
	c.MaxPeers = cmp.Or(c.MaxPeers, defaultMaxPeers)
	m := &Metrics{
		config: c, own: telemetry.WithDefaults(c.Workload),
		sets: map[labels]*series{}, peers: map[mesh.Workload]bool{},
	}
	if c.Service != "" {
		m.destination = serviceOf(c.Service, m.own.Namespace)
	}
	m.clients.init()
	m.servers.init()
	m.attempts.init(&c)
	m.upstreams.init(&c)
	if err := m.register(); err != nil {
		return nil, err
	}
	return m, nil
}

func (c *Config) check() error {
	l := check.List{Prefix: "metrics"}
	if c.Registerer == nil {
		l.Add("Registerer", nil, "is required")
	}
	for i := 1; i < len(c.Buckets); i++ {
		if !(c.Buckets[i-1] < c.Buckets[i]) {
			l.Add("Buckets", slices.Clone(c.Buckets), "must ascend")
			break
		}
	}
	if c.Native != 0 && !(c.Native > 1) {
		l.Add("Native", c.Native, "must be above 1")
	}
	if c.MaxSeries < 0 {
		l.Add("MaxSeries", c.MaxSeries, "must not be negative")
	}
	if c.MaxPeers < 0 {
		l.Add("MaxPeers", c.MaxPeers, "must not be negative")
	}
	return l.Err()
}

func (m *Metrics) register() error {
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	f := &m.families
	f.requests = counter("istio_requests_total", "Requests that have ended.", labelNames[:])
	f.duration = m.histogram("istio_request_duration_milliseconds", "Time until the last byte of the answer.", labelNames[:])
	f.received = m.histogram("istio_request_bytes", "Size of requests with their headers.", labelNames[:])
	f.sent = m.histogram("istio_response_bytes", "Size of answers with their headers.", labelNames[:])
	f.requestMessages = counter("istio_request_messages_total", "Messages of gRPC to servers.", labelNames[:baseLabels])
	f.responseMessages = counter("istio_response_messages_total", "Messages of gRPC from servers.", labelNames[:baseLabels])
	m.folded = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mesh_metrics_folded_total", Help: "Requests counted without their labels, because there were too many sets of them.",
	})
	built := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "istio_build", Help: "What runs here.",
		ConstLabels: prometheus.Labels{"component": "proxy", "tag": cmp.Or(m.config.Version, unknown)},
	})
	built.Set(1)
	all := []prometheus.Collector{
		f.requests, f.duration, f.received, f.sent, f.requestMessages, f.responseMessages, m.folded, built, &m.attempts, &m.upstreams,
	}
	for i, c := range all {
		if err := m.config.Registerer.Register(c); err != nil {
			for _, before := range all[:i] {
				m.config.Registerer.Unregister(before)
			}
			return err
		}
	}
	return nil
}

func (m *Metrics) histogram(name, help string, labels []string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(m.config.histogram(name, help), labels)
}

func (c *Config) histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: c.Buckets,
		NativeHistogramBucketFactor: c.Native, NativeHistogramMaxBucketNumber: 160,
	}
}

// A reporter is one side: it finds the handles of what it has counted before
// without a lock.
type reporter struct {
	known atomic.Pointer[map[key]*series]

	// What was found last at each place: to hash all of a key takes longer than to
	// compare it with its like.
	recent [64]atomic.Pointer[series]
	seed   maphash.Seed
}

func (r *reporter) init() {
	r.known.Store(&map[key]*series{})
	r.seed = maphash.MakeSeed()
}

// find is what is known for k, or nil.
func (r *reporter) find(k *key) *series {
	place := &r.recent[(maphash.String(r.seed, k.cluster)+uint64(k.status))%uint64(len(r.recent))]
	if s := place.Load(); s != nil && s.key == *k {
		return s
	}
	s := (*r.known.Load())[*k]
	if s != nil {
		place.Store(s)
	}
	return s
}
