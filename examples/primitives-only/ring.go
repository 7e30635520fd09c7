package main

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/lb"
)

// oneRing gives each user one endpoint, the same one in every process.
func oneRing() error {
	servers, err := demo.Start(map[string]http.Handler{
		"cache-a": demo.Says("cache-a"), "cache-b": demo.Says("cache-b"), "cache-c": demo.Says("cache-c"),
	})
	if err != nil {
		return err
	}
	defer servers.Close()

	client := func() (*http.Client, error) {
		var endpoints []lb.Endpoint
		for _, name := range []string{"cache-a", "cache-b", "cache-c"} {
			// The place on the ring is that of a name, since the port is another one each time.
			endpoints = append(endpoints, lb.Endpoint{Addr: servers.Addr(name), HashKey: name})
		}
		ring, err := lb.New(lb.Config{
			Endpoints: endpoints,
			Algorithm: lb.RingHash{},
			Hash:      []lb.HashSource{{Header: "X-User-Id"}},
		})
		if err != nil {
			return nil, err
		}
		return &http.Client{Transport: ring.Transport(http.DefaultTransport)}, nil
	}
	one, err := client()
	if err != nil {
		return err
	}
	other, err := client() // as another process would have it
	if err != nil {
		return err
	}

	counts := demo.Counts{}
	for i := range 300 {
		user := fmt.Sprint("user-", i)
		here, err := demo.Text(one, "http://cache/", "X-User-Id", user)
		if err != nil {
			return err
		}
		there, err := demo.Text(other, "http://cache/", "X-User-Id", user)
		if err != nil {
			return err
		}
		if here != there {
			return fmt.Errorf("%s is at %s and at %s", user, here, there)
		}
		counts[here]++
	}
	fmt.Printf("ring     300 users, for two clients: %v\n", counts)
	for name, n := range counts {
		if n < 50 {
			return fmt.Errorf("%s has %d of 300 users", name, n)
		}
	}
	return nil
}
