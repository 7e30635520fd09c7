// Command header-routing sends requests to versions of a service by who asks, from
// where, and with which client.
package main

import (
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

// requests are headers, and the version that should get a request with them.
var requests = []struct{ name, value, want string }{
	{"end-user", "jason", "v2"},
	{"end-user", "Jason", "v1"}, // values are compared as they are
	{"x-region", "us-east", "us-version"},
	{"x-region", "us-", "us-version"},
	{"x-region", "eu-us-1", "v1"}, // the expression has to fit the whole value
	{"User-Agent", "Mobile Safari", "mobile-optimized"},
	{"User-Agent", "Safari Mobile", "v1"},
	{"Accept", "*/*", "v1"}, // a header that is not there never fits
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("header-routing: ", err)
	}
}

func run() error {
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:9080": demo.Says("v1"),
		"10.0.2.1:9080": demo.Says("v2"),
		"10.0.3.1:9080": demo.Says("us-version"),
		"10.0.4.1:9080": demo.Says("mobile-optimized"),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	mesh, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production"}, // so that "reviews" is reviews.production
		Dial:     pods.Dial,
	})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	fmt.Printf("%-26s  %s\n", "header", "answered by")
	for _, r := range requests {
		got, err := demo.Text(client, "http://reviews:9080/reviews/0", r.name, r.value)
		if err != nil {
			return err
		}
		fmt.Printf("%-26s  %s\n", r.name+": "+r.value, got)
		if got != r.want {
			return fmt.Errorf("%s: %s was answered by %s, not by %s", r.name, r.value, got, r.want)
		}
	}
	return nil
}
