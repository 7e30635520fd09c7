package otelmesh_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
	"github.com/sidecarless/mesh/upstream"
)

// A service that fails once, and what its caller's trace tells of it. A real program
// gives its provider a batcher with an exporter.
func Example() {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	tracing, err := otelmesh.New(otelmesh.Config{Tracer: provider})
	if err != nil {
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	failed := false
	mux.HandleFunc("GET /reviews/{id}", func(w http.ResponseWriter, _ *http.Request) {
		if !failed {
			failed = true
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	})
	server := httptest.NewServer(tracing.Handler(mux))
	defer server.Close()

	reviews, err := upstream.New(upstream.Config{
		Name:      "reviews",
		Endpoints: []lb.Endpoint{{Addr: strings.TrimPrefix(server.URL, "http://")}},
		Retry:     retry.Config{On: []retry.Condition{retry.ServerError}},
		Attempt:   tracing.Attempt,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reviews.Close()
	client := http.Client{Transport: tracing.Transport(reviews)}
	res, err := client.Get("http://reviews/reviews/7")
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	server.Close() // when all of its requests have ended

	for _, span := range recorder.Started() { // in this order
		fmt.Println(span.SpanKind(), span.Name())
	}
	// Output:
	// internal mesh
	// client GET
	// server GET /reviews/{id}
	// client GET
	// server GET /reviews/{id}
}
