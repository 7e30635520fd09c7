// Command traffic-split divides the requests for one service between two others
// by a TrafficSplit of SMI, and changes the shares while requests keep flowing.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/smi"
	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

//go:embed mesh.yaml
var resources string

// endpoints are those of the services that the split names. In a cluster the
// package discovery finds them.
var endpoints = map[string][]lb.Endpoint{
	"my-app":    lb.Addrs("10.0.1.1:8080", "10.0.1.2:8080", "10.0.2.1:8080"),
	"my-app-v1": lb.Addrs("10.0.1.1:8080", "10.0.1.2:8080"),
	"my-app-v2": lb.Addrs("10.0.2.1:8080"),
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("traffic-split: ", err)
	}
}

func run() error {
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": demo.Says("my-app-v1"),
		"10.0.1.2:8080": demo.Says("my-app-v1"),
		"10.0.2.1:8080": demo.Says("my-app-v2"),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	split, err := parse("900m", "100m")
	if err != nil {
		return err
	}
	var made []*upstream.Upstream // one for each service, however often the weights change
	myApp, err := smi.NewClient(split, smi.ClientConfig{Upstream: func(service string) (http.RoundTripper, error) {
		u, err := upstream.New(upstream.Config{Name: service, Endpoints: endpoints[service], Dial: pods.Dial})
		if err == nil {
			made = append(made, u)
		}
		return u, err
	}})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: myApp}
	ask := func() (string, error) { return demo.Text(client, "http://my-app/") }

	stop := demo.Flow(ask)
	sent := 0
	for _, step := range []struct {
		v1, v2 string
		share  float64 // of my-app-v2
	}{{"900m", "100m", 0.1}, {"500m", "500m", 0.5}, {"0", "1", 1}} {
		split, err := parse(step.v1, step.v2)
		if err != nil {
			return err
		}
		if err := myApp.Update(split); err != nil {
			return err
		}
		counts, err := demo.Count(1000, ask)
		if err != nil {
			return err
		}
		sent += counts.Total()
		fmt.Printf("weights %s and %s:\n", step.v1, step.v2)
		counts.Print("service")
		if err := counts.Expect("my-app-v2", step.share); err != nil {
			return err
		}
	}
	flowed, err := stop()
	if err != nil {
		return err
	}
	sent += flowed.Total()
	fmt.Printf("%d requests sent, %d served, none failed; %d upstreams made\n", sent, pods.Served(), len(made))
	if sent != pods.Served() {
		return errors.New("requests were lost or repeated")
	}
	for _, u := range made {
		if err := u.Close(); err != nil {
			return err
		}
	}
	return nil
}

// parse reads the split with other weights.
func parse(v1, v2 string) (smi.TrafficSplit, error) {
	config, err := smi.Parse("mesh.yaml", strings.NewReader(demo.Weights(resources, v1, v2)))
	if err != nil {
		return smi.TrafficSplit{}, err
	}
	return config.Splits[0], nil
}
