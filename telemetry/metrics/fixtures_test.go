package metrics_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/telemetry/metrics"
	"github.com/sidecarless/mesh/upstream"
)

// The two workloads of Istio's tests.
var (
	productpage = mesh.Workload{
		Name: "productpage-v1", Namespace: "default", App: "productpage", Version: "v1",
		CanonicalService: "productpage-v1", CanonicalRevision: "version-1", Cluster: "client-cluster",
		Principal: "spiffe://cluster.local/ns/default/sa/client",
	}
	ratings = mesh.Workload{
		Name: "ratings-v1", Namespace: "default", App: "ratings", Version: "v1",
		CanonicalService: "ratings", CanonicalRevision: "version-1", Cluster: "server-cluster",
		Principal: "spiffe://cluster.local/ns/default/sa/server",
	}
)

const (
	server  = "server.default.svc.cluster.local"
	cluster = "outbound|80||" + server
)

// A situation is what Istio's test of a fixture sets up.
type situation struct {
	config metrics.Config
	record access.Record
	watch  upstream.Config
}

func request(host string, header ...string) *http.Request {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Request{Method: "GET", Host: host, URL: &url.URL{Path: "/"}, Header: h}
}

// fixtures are the situations in which Istio's stats filter emitted the series of that
// name. Those left out configure labels by expressions, speak TCP, or are of a
// waypoint: what this library does not do.
var fixtures = map[string]situation{
	"client_request_total": {
		metrics.Config{Workload: productpage},
		access.Record{Upstream: cluster, Status: 200, Peer: &ratings}, upstream.Config{},
	},
	"client_disable_host_header_fallback": {
		metrics.Config{Workload: productpage, NoHost: true},
		access.Record{Upstream: "server-outbound-cluster", Host: server, Status: 200, Peer: &ratings}, upstream.Config{},
	},
	"host_header_fallback": {
		metrics.Config{Workload: productpage},
		access.Record{Upstream: "server-outbound-cluster", Host: "127.0.0.1:PORT", Status: 200, Peer: &ratings}, upstream.Config{},
	},
	"client_request_total_endpoint_labels": {
		metrics.Config{Workload: productpage},
		access.Record{Upstream: cluster, Status: 200, Endpoint: "10.0.0.1:80"},
		upstream.Config{
			Name: cluster, Service: upstream.Service{Host: server, Namespace: "default"},
			Endpoints: []lb.Endpoint{{Addr: "10.0.0.1:80", Labels: map[string]string{
				"service.istio.io/workload-name": "ratings-v1", "service.istio.io/canonical-name": "ratings",
				"service.istio.io/canonical-revision": "version-1", "topology.istio.io/cluster": "server-cluster",
				"app": "ratings", "version": "v1",
			}}},
		},
	},
	"client_request_messages":  {metrics.Config{Workload: productpage}, access.Record{Upstream: cluster, Status: 200, Peer: &ratings}, upstream.Config{}},
	"client_response_messages": {metrics.Config{Workload: productpage}, access.Record{Upstream: cluster, Status: 200, Peer: &ratings}, upstream.Config{}},
	"server_request_total":     {metrics.Config{Workload: ratings, Service: server}, access.Record{Status: 200, Peer: &productpage}, upstream.Config{}},
	"server_disable_host_header_fallback": {
		metrics.Config{Workload: ratings, NoHost: true},
		access.Record{Host: server, Status: 200, Peer: &productpage}, upstream.Config{},
	},
	"server_request_messages":  {metrics.Config{Workload: ratings, Service: server}, access.Record{Status: 200, Peer: &productpage}, upstream.Config{}},
	"server_response_messages": {metrics.Config{Workload: ratings, Service: server}, access.Record{Status: 200, Peer: &productpage}, upstream.Config{}},
}

// configurable are labels that fixtures add by configuration.
var configurable = []string{"configurable_metric_a", "role"}

func TestLabelsAreIstios(t *testing.T) {
	var recorded []struct {
		Fixture, Metric string
		Labels          map[string]string
	}
	if !corpus.SharedJSON(t, "telemetry/istio-metric-fixtures.json", &recorded) {
		return
	}
	played := 0
	for _, f := range recorded {
		name, grpc := strings.CutSuffix(f.Fixture, "+grpc")
		s, known := fixtures[strings.TrimSuffix(name, "_labels")]
		if name == "client_request_total_endpoint_labels" {
			s, known = fixtures[name]
		}
		if !known || f.Metric == "istio_custom" {
			continue
		}
		played++
		t.Run(f.Fixture, func(t *testing.T) {
			for _, label := range configurable {
				delete(f.Labels, label)
			}
			registry := prometheus.NewPedanticRegistry()
			s.config.Registerer = registry
			m, err := metrics.New(s.config)
			require.NoError(t, err)
			if s.watch.Name != "" {
				u, err := upstream.New(s.watch)
				require.NoError(t, err)
				defer u.Close()
				m.Watch(func(yield func(*upstream.Upstream) bool) { yield(u) })
			}
			s.record.Request = request(s.record.Host)
			if grpc || strings.Contains(f.Metric, "messages") {
				s.record.Request.Header.Set("Content-Type", "application/grpc")
				s.record.Trailer = http.Header{"Grpc-Status": {"7"}}
			}
			if s.config.Workload == ratings {
				m.Destination(t.Context(), s.record)
			} else {
				m.Source(t.Context(), s.record)
			}
			require.Equal(t, f.Labels, seriesOf(t, registry, f.Metric)[0].labels)
		})
	}
	require.Equal(t, 17, played)
}

// A series is one set of labels and what it counts.
type series struct {
	labels map[string]string
	value  float64 // of a histogram: how many
	sum    float64
}

// seriesOf is what a registry tells of a metric.
func seriesOf(t testing.TB, g prometheus.Gatherer, metric string) (all []series) {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.Metric {
			s := series{labels: map[string]string{}}
			for _, l := range m.Label {
				s.labels[l.GetName()] = l.GetValue()
			}
			s.value = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			s.sum = m.GetHistogram().GetSampleSum()
			all = append(all, s)
		}
	}
	return all
}

func TestTheOrderOfLabelsIsIstios(t *testing.T) {
	var recorded []struct {
		Fixture string
		Order   []string `json:"label_order"`
	}
	if !corpus.SharedJSON(t, "telemetry/istio-metric-fixtures.json", &recorded) {
		return
	}
	for _, f := range recorded {
		if f.Fixture == "client_request_total" {
			require.Equal(t, f.Order, metrics.LabelNames())
		}
	}
}

// over is a connection over which a server showed a SPIFFE ID.
func over(t *testing.T, id string) *tls.ConnectionState {
	u, err := url.Parse(id)
	require.NoError(t, err)
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{URIs: []*url.URL{u}}}}
}

func from(r *http.Request, principal string) *http.Request {
	return r.WithContext(peer.With(context.Background(), strings.TrimPrefix(principal, "spiffe://")))
}

func TestMutualTLSIsTold(t *testing.T) {
	forged := productpage
	forged.Namespace = "kube-system"
	for name, tt := range map[string]struct {
		server bool
		config metrics.Config
		record access.Record
		want   map[string]string
	}{
		"a server tells it": {
			true, metrics.Config{Workload: ratings, Service: server},
			access.Record{Status: 200, Peer: &productpage, Request: from(request(server), productpage.Principal)},
			map[string]string{"connection_security_policy": "mutual_tls", "source_principal": productpage.Principal, "destination_principal": ratings.Principal},
		},
		"the namespace in a certificate counts, not the one that a caller claims": {
			true, metrics.Config{Workload: ratings, Service: server},
			access.Record{Status: 200, Peer: &forged, Request: from(request(server), productpage.Principal)},
			map[string]string{"source_workload_namespace": "default"},
		},
		"a client does not, as a sidecar": {
			false, metrics.Config{Workload: productpage},
			access.Record{Upstream: cluster, Status: 200, Peer: &ratings, Request: request(server), TLS: over(t, ratings.Principal)},
			map[string]string{"connection_security_policy": "unknown", "source_principal": productpage.Principal, "destination_principal": ratings.Principal},
		},
		"a client does if asked to": {
			false, metrics.Config{Workload: productpage, ReportClientTLS: true},
			access.Record{Upstream: cluster, Status: 200, Peer: &ratings, Request: request(server), TLS: over(t, ratings.Principal)},
			map[string]string{"connection_security_policy": "mutual_tls"},
		},
		"a client in plain text": {
			false, metrics.Config{Workload: productpage, ReportClientTLS: true},
			access.Record{Upstream: cluster, Status: 200, Peer: &ratings, Request: request(server)},
			map[string]string{"connection_security_policy": "none", "source_principal": "unknown", "destination_principal": "unknown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewPedanticRegistry()
			tt.config.Registerer = registry
			m, err := metrics.New(tt.config)
			require.NoError(t, err)
			sink := m.Source
			if tt.server {
				sink = m.Destination
			}
			sink(t.Context(), tt.record)
			got := seriesOf(t, registry, "istio_requests_total")[0].labels
			for label, want := range tt.want {
				require.Equal(t, want, got[label], label)
			}
		})
	}
}
