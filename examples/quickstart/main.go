// Command quickstart shows a canary release from the mesh's own YAML, over real
// servers: three replicas of version 1 and one of version 2 on loopback.
package main

import (
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/sidecarless/mesh/config/istio"
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
	stop, document, err := startServers(resources)
	if err != nil {
		return err
	}
	defer stop()

	// The mesh: parse the YAML, wrap a plain client with it.
	config, err := istio.Parse("mesh.yaml", strings.NewReader(document))
	if err != nil {
		return err
	}
	mesh, err := istio.NewClient(config, istio.ClientConfig{})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	fmt.Println("1,000 requests of everybody, by mesh.yaml 90 % to v1 and 10 % to v2:")
	all, err := send(client, 1000, "")
	if err != nil {
		return err
	}
	all.print(os.Stdout)
	if err := all.shareOf("v2", 0.10); err != nil {
		return err
	}

	fmt.Println("\n100 requests with the header user-group: beta-testers, all to v2:")
	beta, err := send(client, 100, "beta-testers")
	if err != nil {
		return err
	}
	beta.print(os.Stdout)
	if err := beta.shareOf("v2", 1); err != nil {
		return err
	}

	fmt.Println("\nThe weights change while requests keep flowing:")
	for _, weights := range [][2]int{{90, 10}, {50, 50}, {0, 100}} {
		next := strings.NewReplacer(
			"weight: 90", fmt.Sprint("weight: ", weights[0]),
			"weight: 10", fmt.Sprint("weight: ", weights[1])).Replace(document)
		config, err := istio.Parse("mesh.yaml", strings.NewReader(next))
		if err != nil {
			return err
		}
		flowing := background(client)
		err = mesh.Update(config)
		if lost := flowing(); err != nil || lost != nil {
			return fmt.Errorf("while the weights changed: %v %v", err, lost)
		}
		counts, err := send(client, 1000, "")
		if err != nil {
			return err
		}
		fmt.Printf("  %d/%d: v1 %4.1f %%, v2 %4.1f %%, none failed\n", weights[0], weights[1], 100*counts.share("v1"), 100*counts.share("v2"))
		if err := counts.shareOf("v2", float64(weights[1])/100); err != nil {
			return err
		}
	}
	fmt.Println("\nNext: edit the weights or the header in examples/quickstart/mesh.yaml and run it again.")
	return nil
}
