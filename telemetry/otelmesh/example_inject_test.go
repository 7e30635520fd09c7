package otelmesh_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// A process without spans of its own passes on the trace that it is part of, here
// from W3C's header to Zipkin's for a service that knows no other.
func ExampleConfig_inject() {
	tracing, err := otelmesh.New(otelmesh.Config{Inject: otelmesh.B3})
	if err != nil {
		fmt.Println(err)
		return
	}
	ratings := meshtest.NewUpstream() // in place of a server
	client := http.Client{Transport: mesh.Chain(tracing.Transport, tracing.Attempt)(ratings)}
	reviews := tracing.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://ratings/7", nil)
		if res, err := client.Do(out); err == nil {
			res.Body.Close()
		}
	}))

	r := httptest.NewRequest(http.MethodGet, "/reviews/7", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("x-request-id", "my-id")
	reviews.ServeHTTP(httptest.NewRecorder(), r)
	fmt.Println(ratings.Requests()[0].Header.Get("b3"))
	fmt.Println(ratings.Requests()[0].Header.Get("x-request-id"))
	// Output:
	// 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1
	// my-id
}
