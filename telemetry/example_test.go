package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/telemetry"
)

// Both sides of a call learn who the other one is. In a real program
// [telemetry.FromEnvironment] says who the process is.
func Example() {
	var asked, answered access.Record
	page := telemetry.NewExchange(telemetry.WithDefaults(mesh.Workload{Name: "productpage-v1", Namespace: "shop"}))
	reviews := telemetry.NewExchange(telemetry.WithDefaults(mesh.Workload{Name: "reviews-v2", Namespace: "shop"}))

	app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "five stars") })
	serverLog := access.Sink(func(_ context.Context, r access.Record) { answered = r })
	server := httptest.NewServer(reviews.Handler(serverLog.Handler(app)))
	defer server.Close()

	clientLog := access.Sink(func(_ context.Context, r access.Record) { asked = r })
	client := &http.Client{Transport: mesh.Chain(clientLog.Transport, page.Transport)(http.DefaultTransport)}
	res, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	server.Close() // when its request has ended

	fmt.Println("the client asked", asked.Peer.Name)
	fmt.Println("the server answered", answered.Peer.Name)
	// Output:
	// the client asked reviews-v2
	// the server answered productpage-v1
}
