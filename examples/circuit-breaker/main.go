// Command circuit-breaker puts fortio's load on a service whose connections are
// limited, and takes a replica out of use that fails.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("circuit-breaker: ", err)
	}
}

func run() error {
	healthy := demo.After(20*time.Millisecond, demo.Says("ok"))
	fourth := replica{well: healthy}
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": healthy, "10.0.1.2:8080": healthy, "10.0.1.3:8080": healthy, "10.0.1.4:8080": &fourth,
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	for warning := range config.Warnings() {
		fmt.Println("warning:", warning)
	}
	var flags demo.Tally // as an access log has them
	mesh, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production"},
		Dial:     pods.Dial,
		Sinks: []access.Sink{func(_ context.Context, r access.Record) {
			flags.Add(strings.TrimSpace(fmt.Sprint(r.Status, " ", r.Flags)))
		}},
	})
	if err != nil {
		return err
	}
	defer mesh.Close()

	// Up to 100 connections serve, 50 requests wait, and what comes on top is refused.
	fmt.Println("\nfortio          200     503  status and flags")
	for _, connections := range []int{50, 120, 200} {
		codes, err := load(mesh, connections, 10)
		if err != nil {
			return err
		}
		seen := flags.Take()
		fmt.Printf("load -c %-3d  %5.1f%%  %5.1f%%  %v\n", connections, 100*seen.Share("200"), 100*seen.Share("503"), seen)
		refused := int64(seen["503 UO"])
		if codes[503] != refused || codes[200]+refused != int64(10*connections) || (refused > 0) != (connections > 100+50) {
			return fmt.Errorf("fortio got %v", codes)
		}
	}

	// Five failures in a row take a replica out for 30 s. What is under way to it
	// then still fails.
	const connections = 20
	fourth.sick.Store(true)
	codes, err := load(mesh, connections, 30)
	if err != nil {
		return err
	}
	failed := fourth.failures.Load()
	fmt.Printf("\none of four replicas fails: it got %d of %d requests until it was ejected\n", failed, 30*connections)
	if codes[500] != failed || codes[200]+failed != 30*connections || failed < 5 || failed > 5+connections {
		return fmt.Errorf("fortio got %v", codes)
	}
	return nil
}
