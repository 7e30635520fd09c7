// Command retries-and-timeouts repeats what may pass the next time, and ends what
// takes too long: each attempt, and the request as a whole.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

// scenarios are what the server does, and what becomes of a request to it.
var scenarios = []struct {
	name             string
	server           http.Handler
	status, attempts int
	flags            mesh.Flag
}{
	{"does well", demo.Says("ok"), 200, 1, ""},
	{"does not know", demo.Fails(404), 404, 1, ""}, // an answer like any other
	{"fails twice", first(2, demo.Fails(503), demo.Says("ok")), 200, 3, ""},
	{"hangs once", first(1, demo.After(late, demo.Says("ok")), demo.Says("ok")), 200, 2, ""},
	{"always fails", demo.Fails(503), 503, 4, mesh.RetriesExhausted},
	{"always hangs", demo.After(late, demo.Says("ok")), 504, 4, mesh.RetriesExhausted.With(mesh.UpstreamTimeout)},
	{"begins, then hangs", http.HandlerFunc(begin), 200, 1, mesh.UpstreamTimeout}, // nobody can repeat what was passed on
}

const late = time.Minute

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("retries-and-timeouts: ", err)
	}
}

func run() error {
	var server atomic.Pointer[http.Handler]
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*server.Load()).ServeHTTP(w, r) }),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	records := make(chan access.Record, 1)
	api, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production"},
		Dial:     pods.Dial,
		Sinks:    []access.Sink{func(_ context.Context, r access.Record) { records <- r }},
	})
	if err != nil {
		return err
	}
	defer api.Close()
	client := &http.Client{Transport: api}

	fmt.Println("the server          status  attempts   time  flags")
	for _, s := range scenarios {
		server.Store(&s.server)
		_, _, err := demo.Get(client, "http://api-service/")
		r := <-records
		fmt.Printf("%-18s  %6d  %8d  %4.1fs  %s\n", s.name, r.Status, r.Attempts, r.Duration.Seconds(), r.Flags)
		switch {
		case r.Status != s.status, r.Attempts != s.attempts, r.Flags != s.flags:
			return fmt.Errorf("%s: want status %d after %d attempts, flags %q", s.name, s.status, s.attempts, s.flags)
		case r.Duration > 10*time.Second:
			return fmt.Errorf("%s: the request should have ended after 5 s", s.name)
		case r.Flags == mesh.UpstreamTimeout && !errors.Is(err, context.DeadlineExceeded), r.Flags != mesh.UpstreamTimeout && err != nil:
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// first answers with one handler n times, and then with another.
func first(n int64, one, then http.Handler) http.Handler {
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= n {
			one.ServeHTTP(w, r)
			return
		}
		then.ServeHTTP(w, r)
	})
}

// begin begins to answer and does not go on.
func begin(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "once upon a time")
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}
