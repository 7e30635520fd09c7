package libraries_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// after is the same with an upstream.
func after(endpoints []string) (*upstream.Upstream, error) {
	return upstream.New(upstream.Config{
		Name:      "reviews",
		Endpoints: lb.Addrs(endpoints...),
		Retry: retry.Config{
			Attempts: 2,
			On:       []retry.Condition{retry.ServerError}, // GETs and their like; never a POST that may have been acted on
			Backoff:  retry.Backoff{Base: 25 * time.Millisecond, Max: 250 * time.Millisecond},
		},
		Breaker: breaker.Config{Trip: breaker.Trip{Consecutive: 5, Open: 30 * time.Second}},
		Balance: lb.Config{Algorithm: lb.RoundRobin{}},
	})
}

func Example_after() {
	fleet := start()
	defer fleet.Close()
	reviews, err := after(fleet.endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer reviews.Close()
	client := &http.Client{Transport: reviews}
	failed := 0
	for range 100 {
		res, err := client.Get("http://reviews/0")
		if err != nil {
			log.Print(err)
			failed++
			continue
		}
		res.Body.Close()
	}
	fmt.Printf("%d of 100 failed; the dead endpoint was tried %d times\n", failed, fleet.tried())
	// Output: 0 of 100 failed; the dead endpoint was tried 5 times
}
