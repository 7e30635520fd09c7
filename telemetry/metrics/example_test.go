package metrics_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/telemetry/metrics"
)

// A server that counts its requests as a sidecar does.
func Example() {
	registry := prometheus.NewRegistry()
	m, err := metrics.New(metrics.Config{
		Registerer: registry,
		Workload:   mesh.Workload{Name: "reviews-v1", Namespace: "shop", App: "reviews", Version: "v1"},
		Service:    "reviews.shop.svc.cluster.local",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "five stars") })
	mux := http.NewServeMux()
	mux.Handle("/", access.Sink(m.Destination).Handler(app))
	mux.Handle("/stats/prometheus", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/reviews/1", nil))

	page := httptest.NewRecorder()
	mux.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/stats/prometheus", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "istio_requests_total") {
			fmt.Print(strings.ReplaceAll(line, ",", "\n"))
		}
	}
	// Output:
	// istio_requests_total{connection_security_policy="none"
	// destination_app="reviews"
	// destination_canonical_revision="v1"
	// destination_canonical_service="reviews"
	// destination_cluster="Kubernetes"
	// destination_principal="unknown"
	// destination_service="reviews.shop.svc.cluster.local"
	// destination_service_name="reviews"
	// destination_service_namespace="shop"
	// destination_version="v1"
	// destination_workload="reviews-v1"
	// destination_workload_namespace="shop"
	// grpc_response_status=""
	// reporter="destination"
	// request_protocol="http"
	// response_code="200"
	// response_flags="-"
	// source_app="unknown"
	// source_canonical_revision="latest"
	// source_canonical_service="unknown"
	// source_cluster="unknown"
	// source_principal="unknown"
	// source_version="unknown"
	// source_workload="unknown"
	// source_workload_namespace="unknown"} 1
}
