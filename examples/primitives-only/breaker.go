package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

// oneBreaker leaves a server alone that fails, and comes back when it is well.
func oneBreaker() error {
	var well atomic.Bool
	server, err := demo.Start(map[string]http.Handler{"payments": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})})
	if err != nil {
		return err
	}
	defer server.Close()

	circuit, err := breaker.New(breaker.Config{
		Name:    "payments",
		Trip:    breaker.Trip{Consecutive: 5, Open: 200 * time.Millisecond},
		Changed: func(c breaker.Change) { fmt.Printf("breaker  %s to %s: %s\n", c.From, c.To, c.Cause) },
	})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: circuit.Transport(http.DefaultTransport)}

	ask := func() (refused bool, err error) {
		_, _, err = demo.Get(client, "http://"+server.Addr("payments"))
		if errors.Is(err, breaker.ErrOpen) {
			return true, nil
		}
		return false, err
	}
	for range 20 {
		if _, err := ask(); err != nil {
			return err
		}
	}
	fmt.Printf("breaker  of 20 requests the failing server got %d, %d were refused at once\n", server.Served(), circuit.Stats().Refused)
	if server.Served() != 5 {
		return errors.New("the circuit should have opened after five failures")
	}

	// A caller that goes on asking gets through once the circuit has been open for its
	// time and a probe has passed.
	well.Store(true)
	for range 500 {
		refused, err := ask()
		if err != nil {
			return err
		}
		if !refused {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if circuit.Stats().State != breaker.Closed {
		return errors.New("the circuit should be closed again")
	}
	return nil
}
