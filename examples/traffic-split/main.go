// Command traffic-split divides the requests for one service between two others,
// and changes the shares while requests keep flowing.
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

	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	mesh, err := istio.NewClient(config, istio.ClientConfig{Dial: pods.Dial})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}
	ask := func() (string, error) { return demo.Text(client, "http://my-app/") }

	stop := demo.Flow(ask)
	sent := 0
	for _, weights := range [][2]int{{900, 100}, {500, 500}, {0, 1000}} {
		config, err := istio.Parse("mesh.yaml", strings.NewReader(demo.Weights(resources, weights[0], weights[1])))
		if err != nil {
			return err
		}
		if err := mesh.Update(config); err != nil {
			return err
		}
		counts, err := demo.Count(1000, ask)
		if err != nil {
			return err
		}
		sent += counts.Total()
		fmt.Printf("weights %d and %d:\n", weights[0], weights[1])
		counts.Print("service")
		if err := counts.Expect("my-app-v2", float64(weights[1])/1000); err != nil {
			return err
		}
	}
	flowed, err := stop()
	if err != nil {
		return err
	}
	sent += flowed.Total()
	fmt.Printf("%d requests sent, %d served, none failed\n", sent, pods.Served())
	if sent != pods.Served() {
		return errors.New("requests were lost or repeated")
	}
	return nil
}
