// Command observability runs three hops of a mesh, sends them traffic, and shows what
// operators see of it: Istio's metrics on both sides, Envoy's of the clusters, log lines
// as sidecars write them, traces, and consoles that tell of single requests.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/examples/observability/bookinfo"
)

func main() {
	log.SetFlags(0)
	span := flag.Duration("for", time.Second, "how long to send traffic")
	targets := flag.String("targets", "", "a `file` in which to tell Prometheus where the metrics are")
	plain := flag.Bool("plain", false, "without mutual TLS")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *span, *targets, !*plain); err != nil {
		log.Fatal("observability: ", err)
	}
}

func run(ctx context.Context, span time.Duration, targets string, mutual bool) error {
	lines, err := access.Envoy(os.Stdout, access.IstioText)
	if err != nil {
		return err
	}
	demo, err := bookinfo.Start(bookinfo.Options{
		MutualTLS: mutual, Traces: os.Stdout,
		Sinks: func(string) []access.Sink {
			return []access.Sink{access.Sampled(100, lines)} // all that failed, and one in a hundred
		},
	})
	if err != nil {
		return err
	}
	defer demo.Close()
	if targets != "" {
		if err := os.WriteFile(targets, demo.Targets(), 0o644); err != nil {
			return err
		}
	}
	for _, hop := range demo.Hops() {
		fmt.Printf("console of %s: http://%s/\n", hop.Name, hop.Stats)
	}
	fmt.Println("\nlog lines of the gateway and of productpage, and traces:")
	sent, err := load(ctx, demo, span)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d requests\n", sent)
	for _, hop := range demo.Hops() {
		if err := show(hop); err != nil {
			return err
		}
	}
	return nil
}

// load sends requests one after the other.
func load(ctx context.Context, demo *bookinfo.Demo, span time.Duration) (sent int, err error) {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			path := [...]string{"/productpage", "/productpage/stars"}[sent%2]
			if _, _, err := demo.Get(context.WithoutCancel(ctx), path); err != nil {
				return sent, err
			}
			sent++
		case <-ctx.Done():
			return sent, nil
		}
	}
}

// What is printed of all that there is: a few metrics, a few of their labels, and a
// request that was repeated.
var (
	interesting = regexp.MustCompile(`^(istio_requests_total|envoy_cluster_upstream_(rq_total|rq_retry|rq_retry_success|cx_total))\{`)
	labels      = regexp.MustCompile(`(reporter|source_workload|destination_workload|response_code|connection_security_policy|cluster_name)="[^"]*"`)
	repeated    = regexp.MustCompile(`(?m)^\d.*\n(  .*\n){0,2}  try 1 .* then again: .*\n(  .*\n)+`)
)

// show prints what Prometheus would read, and what a person would.
func show(hop *bookinfo.Hop) error {
	text, err := hop.Page("/stats/prometheus")
	if err != nil {
		return err
	}
	fmt.Printf("\n%s at /stats/prometheus:\n", hop.Name)
	for line := range strings.Lines(text) {
		if name := interesting.FindStringSubmatch(line); name != nil {
			value := line[strings.LastIndexByte(line, ' ')+1:]
			fmt.Printf("  %-38s %6s  %v\n", name[1], strings.TrimSpace(value), labels.FindAllString(line, -1))
		}
	}
	text, err = hop.Page("/decisions")
	if story := repeated.FindString(text); story != "" {
		fmt.Printf("\n%s at /decisions:\n%s", hop.Name, story)
	}
	return err
}
