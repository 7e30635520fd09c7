// Command locality-failover keeps requests near their caller, in shares or as long
// as what is near works.
package main

import (
	"embed"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/lb"
)

//go:embed *.yaml
var resources embed.FS

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("locality-failover: ", err)
	}
}

func run() error {
	// The seed snippet asks for two things that exclude each other.
	_, err := istio.ParseFS(resources, "seed.yaml")
	if err == nil {
		return errors.New("seed.yaml should have been refused")
	}
	for p := range mesh.Problems(err) {
		fmt.Println("refused:", p)
	}

	if err := distribute(); err != nil {
		return err
	}
	return failover()
}

// distribute spreads the requests of a caller in us-east by weights.
func distribute() error {
	pods, err := demo.Start(map[string]http.Handler{
		"10.1.0.1:8080": demo.Says("us-east a"), "10.1.0.2:8080": demo.Says("us-east b"), "10.3.0.1:8080": demo.Says("us-west a"),
	})
	if err != nil {
		return err
	}
	defer pods.Close()
	client, api, err := caller(pods, "distribute.yaml", lb.Locality{Region: "us-east", Zone: "a"})
	if err != nil {
		return err
	}
	defer api.Close()

	fmt.Println("\ndistribute.yaml, a caller in us-east/a:")
	counts, err := demo.Count(1000, func() (string, error) { return demo.Text(client, "http://api-service/") })
	if err != nil {
		return err
	}
	counts.Print("locality")
	return counts.Expect("us-west", 0.20)
}

// caller is a client of a mesh, somewhere.
func caller(pods *demo.Pods, file string, where lb.Locality) (*http.Client, *istio.Client, error) {
	config, err := istio.ParseFS(resources, file)
	if err != nil {
		return nil, nil, err
	}
	c, err := istio.NewClient(config, istio.ClientConfig{
		Workload: istio.Workload{Namespace: "production", Locality: where},
		Dial:     pods.Dial,
	})
	return &http.Client{Transport: c}, c, err
}
