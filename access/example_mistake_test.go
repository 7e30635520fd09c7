package access_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/access"
)

// A sink is called by the request that it is told of, which waits for it. One that
// can be slow belongs behind a queue.
func ExampleSink_mistake() {
	slow := make(chan access.Record)
	writes := access.Sink(func(_ context.Context, r access.Record) { slow <- r }) // waits for its reader
	queue := access.NewQueue(100, writes)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go queue.Run(ctx)
	service := access.Sink(queue.Sink).Handler(http.NotFoundHandler())

	service.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) // returns though nobody reads
	fmt.Println((<-slow).Status)
	// Output: 404
}
