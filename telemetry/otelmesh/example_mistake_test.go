package otelmesh_test

import (
	"fmt"
	"net/http"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// Transport alone tells nobody of the trace: it is each attempt that carries it, so
// without Attempt the server begins a trace of its own.
func ExampleTelemetry_Transport_mistake() {
	tracing, err := otelmesh.New(otelmesh.Config{Tracer: sdktrace.NewTracerProvider()})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, layers := range []func(http.RoundTripper) http.RoundTripper{
		tracing.Transport, // the mistake
		mesh.Chain(tracing.Transport, tracing.Attempt),
	} {
		reviews := meshtest.NewUpstream() // in place of a server
		client := &http.Client{Transport: layers(reviews)}
		res, err := client.Get("http://reviews/reviews/7")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println("told of the trace:", reviews.Requests()[0].Header.Get("traceparent") != "")
	}
	// Output:
	// told of the trace: false
	// told of the trace: true
}
