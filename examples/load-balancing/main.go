// Command load-balancing shows which of three endpoints, one of them slow, get the
// requests under each policy, and that a user stays with one endpoint.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("load-balancing: ", err)
	}
}

func run() error {
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": demo.Says("10.0.1.1"),
		"10.0.1.2:8080": demo.Says("10.0.1.2"),
		"10.0.1.3:8080": demo.After(20*time.Millisecond, demo.Says("10.0.1.3 (slow)")),
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
		Workload: istio.Workload{Namespace: "production"},
		Dial:     pods.Dial,
	})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	slow := map[string]float64{} // the slow endpoint's share under each policy
	for _, policy := range []string{"round-robin", "random", "least-request"} {
		counts, err := demo.Count(600, func() (string, error) { return demo.Text(client, "http://database-service/"+policy) })
		if err != nil {
			return err
		}
		fmt.Println(policy)
		counts.Print("endpoint")
		slow[policy] = counts.Share("10.0.1.3")
		if policy == "random" {
			err = counts.Expect("10.0.1.3", 1.0/3)
		}
		if err != nil {
			return err
		}
	}
	if slow["round-robin"] != 1.0/3 {
		return errors.New("taking turns should give each endpoint a third")
	}
	if slow["least-request"] > 0.25 {
		return errors.New("the slow endpoint should get less where requests under way count")
	}

	fmt.Println("consistent hash of x-user-id, 200 users three times each")
	before, err := homes(client)
	if err != nil {
		return err
	}
	count(before).Print("endpoint")

	// One endpoint is taken away. Its users move, and few others: Envoy's ring keeps
	// its 1,024 points, so those that stay get some more.
	fewer, err := istio.Parse("mesh.yaml", strings.NewReader(strings.Replace(resources, "  - {address: 10.0.1.2, labels: {app: database}}\n", "", 1)))
	if err != nil {
		return err
	}
	if err := mesh.Update(fewer); err != nil {
		return err
	}
	after, err := homes(client)
	if err != nil {
		return err
	}
	own, others := count(before).Of("10.0.1.2"), 0
	for user, endpoint := range before {
		if endpoint != "10.0.1.2" && after[user] != endpoint {
			others++
		}
	}
	fmt.Printf("without 10.0.1.2 its %d users move, and %d of the other %d\n", own, others, len(before)-own)
	if count(after).Of("10.0.1.2") != 0 || others > (len(before)-own)/4 {
		return errors.New("too many users moved")
	}
	return nil
}
