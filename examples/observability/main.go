// Command observability runs three hops of a mesh, sends them traffic, and shows what
// operators see of it: Istio's metrics on both sides, Envoy's of the clusters, and log
// lines as sidecars write them.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"regexp"
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
		MutualTLS: mutual,
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
	fmt.Println("log lines of the gateway and of productpage:")
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

// interesting are a few of all metrics, and of their labels.
var (
	interesting = regexp.MustCompile(`^(istio_requests_total|envoy_cluster_upstream_(rq_total|rq_retry|rq_retry_success|cx_total))\{`)
	labels      = regexp.MustCompile(`(reporter|source_workload|destination_workload|response_code|connection_security_policy|cluster_name)="[^"]*"`)
)

// show prints what Prometheus would read.
func show(hop *bookinfo.Hop) error {
	res, err := http.Get("http://" + hop.Stats + "/stats/prometheus")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	fmt.Printf("\n%s at /stats/prometheus:\n", hop.Name)
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name := interesting.FindStringSubmatch(lines.Text())
		if name == nil {
			continue
		}
		value := regexp.MustCompile(`[^ ]+$`).FindString(lines.Text())
		fmt.Printf("  %-38s %6s  %v\n", name[1], value, labels.FindAllString(lines.Text(), -1))
	}
	return nil
}
