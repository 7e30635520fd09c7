package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/sidecarless/mesh/examples/internal/demo"
	"github.com/sidecarless/mesh/retry"
)

// oneRetry repeats a request to a server that has just restarted.
func oneRetry() error {
	var asked atomic.Int64
	server, err := demo.Start(map[string]http.Handler{"orders": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})})
	if err != nil {
		return err
	}
	defer server.Close()

	retries, err := retry.New(retry.Config{Attempts: 3, On: []retry.Condition{retry.GatewayError}})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: retries.Transport(http.DefaultTransport)}

	if _, err := demo.Text(client, "http://"+server.Addr("orders")); err != nil {
		return err
	}
	stats := retries.Stats()
	fmt.Printf("retry    200 after %d attempts\n", 1+stats.Retries)

	// What may have had an effect is not repeated, unless the caller vouches for it.
	asked.Store(0)
	res, err := client.Post("http://"+server.Addr("orders"), "text/plain", nil)
	if err != nil {
		return err
	}
	res.Body.Close()
	fmt.Printf("retry    %d for a POST, which is not repeated\n", res.StatusCode)
	if stats.Retries != 2 || stats.Rescued != 1 || asked.Load() != 1 {
		return errors.New("the third GET should have passed, and the POST not been repeated")
	}
	return nil
}
