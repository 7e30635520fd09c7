// Command fault-injection delays and fails requests on purpose, those of a test in
// large part and those of production one in a thousand.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("fault-injection: ", err)
	}
}

func run() error {
	pods, err := demo.Start(map[string]http.Handler{"10.0.1.1:8080": demo.Says("paid")})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	payments, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production"},
		Dial:     pods.Dial,
	})
	if err != nil {
		return err
	}
	defer payments.Close()
	client := &http.Client{Transport: payments}

	start := time.Now()
	if _, err := demo.Text(client, "http://payment-service/pay", "x-test-scenario", "latency"); err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Printf("latency     answered after %d ms, 700 of them injected\n", took.Milliseconds())
	if took < 700*time.Millisecond {
		return errors.New("the delay was too short")
	}

	// A caller that does not wait so long goes away from the delay, not from the server.
	hurried := &http.Client{Transport: payments, Timeout: 100 * time.Millisecond}
	served := pods.Served()
	_, err = demo.Text(hurried, "http://payment-service/pay", "x-test-scenario", "latency")
	fmt.Printf("impatient   %v\n", err)
	if !errors.Is(err, context.DeadlineExceeded) || pods.Served() != served {
		return errors.New("the caller's deadline should have ended the request before the server")
	}

	for _, c := range []struct {
		scenario, status string
		n                int
		want             float64
	}{
		{"error", "500 FI", 1000, 0.5},
		{"production", "503 FI", 10_000, 0.001},
	} {
		counts, err := demo.Count(c.n, func() (string, error) {
			res, _, err := demo.Get(client, "http://payment-service/pay", "x-test-scenario", c.scenario)
			if err != nil {
				return "", err
			}
			// A reply that no server gave has an error behind it, and that the flag
			// that Envoy would have put into its access log.
			return strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", mesh.FlagOf(mesh.ErrorOf(res)))), nil
		})
		if err != nil {
			return err
		}
		fmt.Printf("%-10s  %v\n", c.scenario, counts)
		if err := counts.Expect(c.status, c.want); err != nil {
			return err
		}
		if counts["200"]+counts[c.status] != c.n {
			return fmt.Errorf("%s: other answers", c.scenario)
		}
	}
	return nil
}
