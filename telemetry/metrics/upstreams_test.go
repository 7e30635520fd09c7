package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/telemetry/metrics"
	"github.com/sidecarless/mesh/upstream"
)

// one yields one upstream.
func one(u *upstream.Upstream) func(func(*upstream.Upstream) bool) {
	return func(yield func(*upstream.Upstream) bool) { yield(u) }
}

func TestAnUpstreamIsShownAsACluster(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	u, err := upstream.New(upstream.Config{
		Name: cluster, NoRetry: true, Endpoints: lb.Addrs(server.Listener.Addr().String()),
		Breaker:  breaker.Config{Limits: breaker.LimitsConfig{MaxConnections: 7, MaxRequests: 5}},
		Ejection: outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Always},
	})
	require.NoError(t, err)
	defer u.Close()
	m, registry := newMetrics(t, metrics.Config{Workload: productpage})
	m.Watch(one(u))
	m.Watch(one(u)) // of one name
	client := mesh.Chain(mesh.ErrorsAsResponses)(u)
	for _, path := range []string{"/", "/bad", "/bad"} {
		r, err := http.NewRequest(http.MethodGet, "http://server"+path, nil)
		require.NoError(t, err)
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	for metric, want := range map[string]float64{
		"upstream_cx_total": 1, "upstream_cx_active": 1, "upstream_cx_destroy": 0, "upstream_rq_active": 0,
		"membership_total": 1, "membership_healthy": 0, "outlier_detection_ejections_active": 1,
		"outlier_detection_ejections_enforced_total": 1, "outlier_detection_ejections_detected_consecutive_5xx": 1,
		"outlier_detection_ejections_enforced_consecutive_5xx": 1, "outlier_detection_ejections_enforced_success_rate": 0,
		"circuit_breakers_default_remaining_cx": 6, "circuit_breakers_default_remaining_rq": 5, "circuit_breakers_default_cx_open": 0,
	} {
		all := seriesOf(t, registry, "envoy_cluster_"+metric)
		require.Len(t, all, 1, metric)
		require.Equal(t, 2*want, all[0].value, metric)
		require.Equal(t, map[string]string{"cluster_name": cluster}, all[0].labels)
	}
	require.Equal(t, 2*18446744073709551615.0, seriesOf(t, registry, "envoy_cluster_circuit_breakers_default_remaining_pending")[0].value)
}

// Names, types and labels are those of a real Envoy.
func TestClustersAreToldAsEnvoyDoes(t *testing.T) {
	var recorded struct {
		Metrics []struct {
			Name, Type string
			Labels     []string
		}
	}
	if !corpus.SharedJSON(t, "telemetry/envoy-prometheus-stats.json", &recorded) {
		return
	}
	type form struct {
		kind   string
		labels string
	}
	known := map[string]form{}
	for _, r := range recorded.Metrics {
		known[r.Name] = form{strings.ToUpper(r.Type), strings.Join(r.Labels, " ")}
	}
	u, err := upstream.New(upstream.Config{Name: cluster})
	require.NoError(t, err)
	defer u.Close()
	m, registry := newMetrics(t, metrics.Config{Workload: productpage, EnvoyLabels: true})
	m.Watch(one(u))
	r := usual()
	r.Attempts, r.Tries = 2, []mesh.Try{{N: 1, Status: 503}}
	m.Source(t.Context(), r)
	families, err := registry.Gather()
	require.NoError(t, err)
	told := 0
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "envoy_") {
			continue
		}
		told++
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		require.Equal(t, known[f.GetName()], form{f.GetType().String(), strings.Join(labels, " ")}, f.GetName())
	}
	require.Greater(t, told, 40)
}

func TestClassesAreNamedAsByIstio(t *testing.T) {
	for _, plain := range []bool{false, true} {
		m, registry := newMetrics(t, metrics.Config{Workload: productpage, EnvoyLabels: plain})
		m.Source(t.Context(), usual())
		want := map[string]string{"cluster_name": cluster, "response_code_class": "2xx"}
		if plain {
			want = map[string]string{"envoy_cluster_name": cluster, "envoy_response_code_class": "2"}
		}
		require.Equal(t, want, seriesOf(t, registry, "envoy_cluster_upstream_rq_xx")[0].labels)
	}
}
