// Command quickstart shows a canary release from the mesh's own YAML, over real
// servers: three replicas of version 1 and one of version 2 on loopback.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

func run() error {
	// Four servers on loopback stand for the pods that mesh.yaml speaks of.
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": demo.Says("v1 replica-1"),
		"10.0.1.2:8080": demo.Says("v1 replica-2"),
		"10.0.1.3:8080": demo.Says("v1 replica-3"),
		"10.0.2.1:8080": demo.Says("v2 replica-1"),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	// The mesh: parse the YAML, wrap a plain client with it.
	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	mesh, err := istio.NewClient(config, istio.ClientConfig{Dial: pods.Dial}) // in a cluster the pods are dialed as they are
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	everybody := func() (string, error) { return demo.Text(client, "http://product/version") }
	betaTester := func() (string, error) {
		return demo.Text(client, "http://product/version", "user-group", "beta-testers")
	}

	canary := config.VirtualServices()[0].Spec.Http[1].Route[1].Weight
	fmt.Printf("1,000 requests of everybody, by mesh.yaml %d %% to v2:\n", canary)
	all, err := demo.Count(1000, everybody)
	if err != nil {
		return err
	}
	all.Print("version replica")
	if err := all.Expect("v2", float64(canary)/100); err != nil {
		return err
	}

	fmt.Println("\n100 requests with the header user-group: beta-testers, all to v2:")
	beta, err := demo.Count(100, betaTester)
	if err != nil {
		return err
	}
	beta.Print("version replica")
	if err := beta.Expect("v2", 1); err != nil {
		return err
	}

	fmt.Println("\nThe weights change while requests keep flowing:")
	before, measured := pods.Served(), 0
	stop := demo.Flow(everybody)
	for _, weights := range [][2]int{{90, 10}, {50, 50}, {0, 100}} {
		edited := demo.Weights(resources, weights[0], weights[1])
		config, err := istio.Parse("mesh.yaml", strings.NewReader(edited))
		if err != nil {
			return err
		}
		if err := mesh.Update(config); err != nil {
			return err
		}
		counts, err := demo.Count(1000, everybody)
		if err != nil {
			return err
		}
		measured += counts.Total()
		fmt.Printf("  %3d/%-3d  v1 %5.1f %%  v2 %5.1f %%\n", weights[0], weights[1], 100*counts.Share("v1"), 100*counts.Share("v2"))
		if err := counts.Expect("v2", float64(weights[1])/100); err != nil {
			return err
		}
	}
	flowed, err := stop()
	if err != nil {
		return fmt.Errorf("while the weights changed: %w", err)
	}
	sent, served := measured+flowed.Total(), pods.Served()-before
	fmt.Printf("  %d requests sent, %d served, none failed\n", sent, served)
	if sent != served {
		return errors.New("requests were lost or repeated")
	}

	fmt.Println("\nNext: edit the weights in examples/quickstart/mesh.yaml and run it again.")
	return nil
}
