package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/timeout"
)

// A client that waits no longer than half a second, and tells the server so; the
// server stops working on what nobody waits for.
func Example() {
	server, err := timeout.New(timeout.Config{
		Total: 10 * time.Second,
		Honor: func(*http.Request) bool { return true }, // all its callers are known
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	left := make(chan bool, 1)
	slow := httptest.NewServer(server.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		deadline, _ := r.Context().Deadline()
		left <- time.Until(deadline) <= 500*time.Millisecond
		<-r.Context().Done()
	})))
	defer slow.Close()

	deadlines, err := timeout.New(timeout.Config{Total: 500 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: mesh.Chain(deadlines.Transport, timeout.Announce)(http.DefaultTransport)}
	_, err = client.Get(slow.URL) // fails, or answers 504 if the server is quicker to give up
	fmt.Println("the server knows:", <-left)
	fmt.Println(err == nil || errors.Is(err, context.DeadlineExceeded))
	// Output:
	// the server knows: true
	// true
}
