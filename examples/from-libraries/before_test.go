package libraries_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/sony/gobreaker/v2"
)

// before is three endpoints called with go-retryablehttp, gobreaker and a balancer
// made by hand.
func before(endpoints []string) *http.Client {
	var turn atomic.Uint64
	breaker := gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
		Name:        "reviews",
		Timeout:     30 * time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) }, // or callers who leave open it
	})
	inner := roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Host = r.URL.Host
		r.URL.Host = endpoints[turn.Add(1)%uint64(len(endpoints))] // dead or alive
		return breaker.Execute(func() (*http.Response, error) {
			res, err := http.DefaultTransport.RoundTrip(r)
			if err == nil && res.StatusCode >= 500 {
				res.Body.Close()
				return nil, fmt.Errorf("status %d", res.StatusCode) // the answer is lost
			}
			return res, err
		})
	})
	retries := retryablehttp.NewClient()
	retries.HTTPClient = &http.Client{Transport: inner}
	retries.RetryMax = 2
	retries.RetryWaitMin, retries.RetryWaitMax = 25*time.Millisecond, 250*time.Millisecond
	retries.Logger = nil
	return retries.StandardClient() // repeats POSTs as well
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func Example_before() {
	fleet := start()
	defer fleet.Close()
	client := before(fleet.endpoints)
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
	fmt.Printf("%d of 100 failed; the dead endpoint was tried %t\n", failed, fleet.tried() > 20)
	// Output: 0 of 100 failed; the dead endpoint was tried true
}
