package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/telemetry/metrics"
)

func TestEveryProblemOfAConfigIsReported(t *testing.T) {
	_, err := metrics.New(metrics.Config{Buckets: []float64{1, 1}, Native: 0.5, MaxSeries: -1, MaxPeers: -1})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"metrics.Registerer", "metrics.Buckets", "metrics.Native", "metrics.MaxSeries", "metrics.MaxPeers"}, fields)
}

func TestARegistryTakesThemOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, err := metrics.New(metrics.Config{Registerer: registry})
	require.NoError(t, err)
	before, err := registry.Gather()
	require.NoError(t, err)
	_, err = metrics.New(metrics.Config{Registerer: registry})
	var already prometheus.AlreadyRegisteredError
	require.ErrorAs(t, err, &already)
	after, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, after, len(before))
}

func TestTooManySeriesAreCountedAsOne(t *testing.T) {
	m, registry := newMetrics(t, metrics.Config{Workload: ratings, MaxSeries: 10})
	for range 2 {
		for i := range 1000 { // a caller makes up hosts
			r := usual()
			r.Host = fmt.Sprint("host-", i)
			m.Destination(t.Context(), r)
		}
	}
	all := seriesOf(t, registry, "istio_requests_total")
	require.Len(t, all, 11)
	require.EqualValues(t, 2000, total(t, registry, "istio_requests_total"), "none is lost")
	require.EqualValues(t, 1980, total(t, registry, "mesh_metrics_folded_total"))
	for _, s := range all {
		if s.value > 2 {
			require.Equal(t, 1980.0, s.value)
			require.Equal(t, "destination", s.labels["reporter"])
			require.Equal(t, "ratings-v1", s.labels["destination_workload"])
			require.Equal(t, "unknown", s.labels["destination_service"])
			require.Equal(t, "unknown", s.labels["response_code"])
		}
	}
}

func TestTooManyPeersAreUnknown(t *testing.T) {
	m, registry := newMetrics(t, metrics.Config{Workload: ratings, Service: server, MaxPeers: 3})
	for i := range 100 {
		for range 2 { // whoever is forgotten and met again is no further one
			r := usual()
			r.Peer = &mesh.Workload{Name: fmt.Sprint("caller-", i), Instance: fmt.Sprint(i)}
			m.Destination(t.Context(), r)
		}
	}
	counts := map[string]float64{}
	for _, s := range seriesOf(t, registry, "istio_requests_total") {
		counts[s.labels["source_workload"]] = s.value
	}
	require.Equal(t, map[string]float64{"caller-0": 2, "caller-1": 2, "caller-2": 2, "unknown": 194}, counts)
}

func TestHostsThatAreNoTextDoNoHarm(t *testing.T) {
	m, registry := newMetrics(t, metrics.Config{})
	r := usual()
	r.Host, r.Upstream = "\xff\xfe", ""
	m.Destination(t.Context(), r)
	m.Source(t.Context(), r)
	require.EqualValues(t, 2, total(t, registry, "istio_requests_total"))
}

func TestSizesAreThoseOnTheWire(t *testing.T) {
	m, registry := newMetrics(t, metrics.Config{Workload: productpage})
	r := usual()
	r.Received, r.Duration = 1000, 12*time.Millisecond+999*time.Microsecond
	m.Source(t.Context(), r)
	head := len("GET / HTTP/1.1\r\nHost: server\r\nUser-Agent: curl\r\nAccept: */*\r\n\r\n")
	require.EqualValues(t, 1000+head, seriesOf(t, registry, "istio_request_bytes")[0].sum)
	head = len("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n")
	require.EqualValues(t, 5+head, seriesOf(t, registry, "istio_response_bytes")[0].sum)
	require.EqualValues(t, 12, seriesOf(t, registry, "istio_request_duration_milliseconds")[0].sum, "whole milliseconds")
}

func TestASampledTraceIsAnExemplar(t *testing.T) {
	m, registry := newMetrics(t, metrics.Config{Workload: productpage})
	r := usual()
	for _, sampled := range []bool{false, true} {
		r.Trace = &mesh.Trace{ID: [16]byte{0xab}, Sampled: sampled}
		m.Source(t.Context(), r)
		families, err := registry.Gather()
		require.NoError(t, err)
		var ids []string
		for _, f := range families {
			if f.GetName() == "istio_request_duration_milliseconds" {
				for _, b := range f.Metric[0].Histogram.Bucket {
					for _, l := range b.GetExemplar().GetLabel() {
						ids = append(ids, l.GetName()+"="+l.GetValue())
					}
				}
			}
		}
		if sampled {
			require.Equal(t, []string{"trace_id=ab000000000000000000000000000000"}, ids)
		} else {
			require.Empty(t, ids)
		}
	}
}

func TestNativeHistogramsAreOffUnlessAsked(t *testing.T) {
	for _, factor := range []float64{0, 1.1} {
		m, registry := newMetrics(t, metrics.Config{Workload: productpage, Native: factor})
		m.Source(t.Context(), usual())
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "istio_request_bytes" {
				h := f.Metric[0].Histogram
				require.Equal(t, factor > 0, h.Schema != nil)
				require.Len(t, h.Bucket, 19, "Istio's bounds; the one without is not listed")
			}
		}
	}
}

func TestACallOfGRPCHasItsStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		kind            string
		status          int
		header, trailer http.Header
		protocol, want  string
	}{
		"in the trailer":                 {"application/grpc", 200, nil, http.Header{"Grpc-Status": {"5"}}, "grpc", "5"},
		"in the header":                  {"application/grpc+proto", 200, http.Header{"Grpc-Status": {"7"}}, nil, "grpc", "7"},
		"in a trailer that was not told": {"application/grpc", 200, http.Header{"Trailer:Grpc-Status": {"0"}}, nil, "grpc", "0"},
		"by the status of HTTP":          {"application/grpc", 503, nil, nil, "grpc", "14"},
		"by one that means nothing":      {"application/grpc", 200, nil, nil, "grpc", "2"},
		"none when the caller went away": {"application/grpc", 0, nil, nil, "grpc", ""},
		"none without gRPC":              {"application/json", 200, http.Header{"Grpc-Status": {"7"}}, nil, "http", ""},
		"none with gRPC for browsers":    {"application/grpc-web", 200, http.Header{"Grpc-Status": {"7"}}, nil, "http", ""},
		"not a number, so that of HTTP":  {"application/grpc", 404, http.Header{"Grpc-Status": {"x"}}, nil, "grpc", "12"},
		"far too large, so that of HTTP": {"application/grpc", 401, http.Header{"Grpc-Status": {"99999999"}}, nil, "grpc", "16"},
	} {
		t.Run(name, func(t *testing.T) {
			m, registry := newMetrics(t, metrics.Config{Workload: productpage})
			r := usual()
			r.Request = request("server", "Content-Type", tt.kind)
			r.Status, r.Header, r.Trailer = tt.status, tt.header, tt.trailer
			r.RequestMessages, r.ResponseMessages = 3, 2
			m.Source(t.Context(), r)
			got := seriesOf(t, registry, "istio_requests_total")[0].labels
			require.Equal(t, tt.protocol, got["request_protocol"])
			require.Equal(t, tt.want, got["grpc_response_status"])
			if tt.protocol == "grpc" {
				require.EqualValues(t, 3, total(t, registry, "istio_request_messages_total"))
				require.EqualValues(t, 2, total(t, registry, "istio_response_messages_total"))
			}
		})
	}
}

// The counters of a cluster for requests that did not go well, as Envoy counts them.
func TestAttemptsThatFailed(t *testing.T) {
	timeout := &mesh.Error{Flag: mesh.UpstreamTimeout, Status: 504, Details: mesh.DetailsPerTryTimeout, Err: context.DeadlineExceeded}
	refused := &mesh.Error{Flag: mesh.ConnectFailure, Status: 503, Err: errors.New("refused")}
	for name, tt := range map[string]struct {
		record access.Record
		want   map[string]float64
	}{
		"answered at the third attempt": {
			access.Record{Status: 200, Attempts: 3, Tries: []mesh.Try{{N: 1, Status: 503}, {N: 2, Err: timeout}}},
			map[string]float64{"upstream_rq_total": 3, "upstream_rq_retry": 2, "upstream_rq_retry_success": 1, "upstream_rq_per_try_timeout": 1, "retry_upstream_rq": 2, "upstream_rq": 1},
		},
		"no connection, twice": {
			access.Record{Status: 503, Attempts: 2, Flags: "URX,UF", Err: refused, Tries: []mesh.Try{{N: 1, Err: refused}}},
			map[string]float64{"upstream_rq_total": 0, "upstream_rq_retry": 1, "upstream_rq_retry_limit_exceeded": 1, "upstream_rq": 1},
		},
		"its time ran out": {
			access.Record{Status: 504, Attempts: 1, Flags: "UT", Details: mesh.DetailsResponseTimeout, Err: context.DeadlineExceeded},
			map[string]float64{"upstream_rq_total": 1, "upstream_rq_timeout": 1, "upstream_rq_tx_reset": 1},
		},
		"no endpoint": {
			access.Record{Status: 503, Flags: "UH"},
			map[string]float64{"upstream_rq_total": 0, "upstream_cx_none_healthy": 1, "upstream_rq": 1},
		},
		"a budget that was spent": {
			access.Record{Status: 503, Attempts: 1, Flags: "UO", Details: "via_upstream"},
			map[string]float64{"upstream_rq_total": 1, "upstream_rq_retry_overflow": 1},
		},
		"a limit that was reached": {
			access.Record{Status: 503, Attempts: 1, Flags: "UO", Details: mesh.ResetDetails(mesh.ReasonOverflow), Err: errors.New("overflow")},
			map[string]float64{"upstream_rq_total": 0, "upstream_rq_retry_overflow": 0},
		},
		"a fault": {
			access.Record{Status: 418, Flags: "FI"},
			map[string]float64{"upstream_rq_total": 0, "upstream_rq": 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, registry := newMetrics(t, metrics.Config{Workload: productpage})
			tt.record.Upstream, tt.record.Request = cluster, request("server")
			m.Source(t.Context(), tt.record)
			for metric, want := range tt.want {
				require.Equal(t, want, total(t, registry, "envoy_cluster_"+metric), metric)
			}
		})
	}
}
