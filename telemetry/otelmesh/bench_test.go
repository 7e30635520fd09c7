package otelmesh_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// configs are what the layers can cost: nothing, the passing on of a trace, spans
// that nobody records, spans without an exporter, durations.
func configs(b *testing.B) map[string]*otelmesh.Telemetry {
	never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	always := sdktrace.NewTracerProvider()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	return map[string]*otelmesh.Telemetry{
		"off":           nil,
		"no provider":   mustNew(b, otelmesh.Config{}),
		"never sampled": mustNew(b, otelmesh.Config{Tracer: never}),
		"sampled":       mustNew(b, otelmesh.Config{Tracer: always}),
		"durations":     mustNew(b, otelmesh.Config{Meter: meter}),
		"all":           mustNew(b, otelmesh.Config{Tracer: always, Meter: meter}),
	}
}

// A request and its only attempt.
func BenchmarkClient(b *testing.B) {
	res := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody}
	server := roundTripper(func(*http.Request) (*http.Response, error) { return res, nil })
	r := get(b, "http://reviews:9080/reviews/1")
	for name, t := range configs(b) {
		b.Run(name, func(b *testing.B) {
			client := mesh.Chain(t.Transport, t.Attempt)(server)
			b.ReportAllocs()
			for b.Loop() {
				client.RoundTrip(r)
			}
		})
	}
}

func BenchmarkServer(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "/reviews/1", nil)
	r.Header.Set("traceparent", "00-"+traceID+"-"+spanID+"-01")
	r.Header.Set("x-request-id", "id")
	w := httptest.NewRecorder()
	for name, t := range configs(b) {
		b.Run(name, func(b *testing.B) {
			h := t.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
