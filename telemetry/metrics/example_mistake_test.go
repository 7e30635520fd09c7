package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/telemetry/metrics"
)

// A server that does not say of which service it is counts under the Host that callers
// write, and its numbers are found under another name than theirs.
func ExampleNew_mistake() {
	for _, service := range []string{"", "reviews.shop.svc.cluster.local"} {
		registry := prometheus.NewRegistry()
		m, err := metrics.New(metrics.Config{
			Registerer: registry, Workload: mesh.Workload{Name: "reviews-v1", Namespace: "shop"}, Service: service,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		handler := access.Sink(m.Destination).Handler(http.NotFoundHandler())
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://whatever.example/", nil))
		families, err := registry.Gather()
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, f := range families {
			if f.GetName() != "istio_requests_total" {
				continue
			}
			for _, l := range f.GetMetric()[0].GetLabel() {
				if l.GetName() == "destination_service" {
					fmt.Println(l.GetValue())
				}
			}
		}
	}
	// Output:
	// whatever.example
	// reviews.shop.svc.cluster.local
}
