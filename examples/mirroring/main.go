// Command mirroring sends copies of a tenth of all requests to a version under
// test, which is slow and fails, and nobody notices.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

// slow is how long the version under test takes to fail.
const slow = 500 * time.Millisecond

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("mirroring: ", err)
	}
}

func run() error {
	arrived := make(chan string, 2000) // copies, by the path that they ask for
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": demo.Says("v1"),
		"10.0.2.1:8080": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived <- r.URL.Path
			demo.After(slow, demo.Fails(http.StatusInternalServerError)).ServeHTTP(w, r)
		}),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var mirrored []time.Duration // how long requests took of which there was a copy
	mesh, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production"},
		Dial:     pods.Dial,
		Sinks: []access.Sink{func(_ context.Context, r access.Record) {
			if len(r.Mirrors) > 0 {
				mu.Lock()
				defer mu.Unlock()
				mirrored = append(mirrored, r.Duration)
			}
		}},
	})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	counts, err := demo.Count(2000, func() (string, error) { return demo.Text(client, "http://api-service/orders") })
	if err != nil {
		return err
	}
	fmt.Println("2,000 requests, as their callers see it:")
	counts.Print("answered by")

	// Copies are sent beside the requests: some are still on their way.
	for range mirrored {
		select {
		case path := <-arrived:
			if path != "/orders" {
				return fmt.Errorf("a copy asked for %s", path)
			}
		case <-time.After(10 * time.Second):
			return errors.New("a copy did not arrive")
		}
	}
	slices.Sort(mirrored)
	median := mirrored[len(mirrored)/2]
	fmt.Printf("%d copies (%.1f %%) came to v2-test, which failed after %v each\n", len(mirrored), float64(len(mirrored))/20, slow)
	fmt.Printf("requests that were copied took %.1f ms (median)\n", float64(median.Microseconds())/1000)
	switch {
	case counts["v1"] != 2000:
		return errors.New("a caller got something else than the answer of v1")
	case !demo.Plausible(len(mirrored), 2000, 0.10):
		return fmt.Errorf("%d of 2000 are not 10 %%", len(mirrored))
	case median >= slow:
		return errors.New("requests waited for their copies")
	}
	return nil
}
