package breaker_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
)

// After three failures in a row the circuit is open: the server is left alone.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()

	b, err := breaker.New(breaker.Config{
		Name:   "reviews",
		Trip:   breaker.Trip{Consecutive: 3, Open: time.Minute},
		Limits: breaker.LimitsConfig{MaxRequests: 100},
		Changed: func(c breaker.Change) {
			fmt.Printf("%s: %s, because of %s\n", c.Name, c.To, c.Cause)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: b.Transport(http.DefaultTransport)}
	for range 5 {
		res, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(mesh.FlagOf(err), errors.Is(err, breaker.ErrOpen))
			continue
		}
		res.Body.Close()
		fmt.Println(res.Status)
	}
	// Output:
	// 500 Internal Server Error
	// 500 Internal Server Error
	// reviews: open, because of 3 failures in a row
	// 500 Internal Server Error
	// UO true
	// UO true
}
