package telemetry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/telemetry"
)

// On a client the exchange belongs inside of the layer that makes records. Outside of
// it there is no record yet in which to note who answered, and metrics say unknown.
func ExampleExchange_Transport_mistake() {
	page := telemetry.NewExchange(telemetry.WithDefaults(mesh.Workload{Name: "productpage-v1"}))
	reviews := telemetry.NewExchange(telemetry.WithDefaults(mesh.Workload{Name: "reviews-v2"}))
	server := httptest.NewServer(reviews.Handler(http.NotFoundHandler()))
	defer server.Close()

	log := access.Sink(func(_ context.Context, r access.Record) {
		if r.Peer == nil {
			fmt.Println("unknown")
			return
		}
		fmt.Println(r.Peer.Name)
	})
	for _, layers := range []func(http.RoundTripper) http.RoundTripper{
		mesh.Chain(page.Transport, log.Transport), // the mistake
		mesh.Chain(log.Transport, page.Transport),
	} {
		client := &http.Client{Transport: layers(http.DefaultTransport)}
		res, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
	}
	// Output:
	// unknown
	// reviews-v2
}
