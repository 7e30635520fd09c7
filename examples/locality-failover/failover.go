package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/lb"
)

// failover takes the region of a caller away and brings it to the next one.
func failover() error {
	pods, err := demo.Start(map[string]http.Handler{
		"10.1.0.1:8080": demo.Says("us-east-1"), "10.1.0.2:8080": demo.Says("us-east-1"),
		"10.2.0.1:8080": demo.Says("us-east-2"), "10.3.0.1:8080": demo.Says("us-west-1"),
	})
	if err != nil {
		return err
	}
	defer pods.Close()
	client, api, err := caller(pods, "failover.yaml", lb.Locality{Region: "us-east-1", Zone: "a"})
	if err != nil {
		return err
	}
	defer api.Close()
	ask := func() (string, error) {
		res, text, err := demo.Get(client, "http://api-service/")
		if err == nil && res.StatusCode != http.StatusOK {
			text = fmt.Sprint(res.StatusCode, " ", mesh.FlagOf(mesh.ErrorOf(res)))
		}
		return text, err
	}

	fmt.Println("\nfailover.yaml, a caller in us-east-1/a:")
	near, err := demo.Count(500, ask)
	if err != nil {
		return err
	}
	near.Print("answered by")

	fmt.Println("us-east-1 goes down; until its endpoints are ejected, a few requests find no other in time:")
	if err := pods.Stop("10.1.0.1:8080", "10.1.0.2:8080"); err != nil {
		return err
	}
	all, last := demo.Counts{}, demo.Counts{}
	for last["us-east-2"] < 500 && all.Total() < 10_000 {
		if last, err = demo.Count(500, ask); err != nil {
			return err
		}
		all.Add(last)
	}
	all.Print("answered by")
	if near["us-east-1"] != 500 || last["us-east-2"] != 500 || all.Of("us-west-1") > 0 || all.Share("us-east-2") < 0.8 {
		return errors.New("callers should go to us-east-1, and when that is down to us-east-2")
	}
	return nil
}
