package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	failsafetimeout "github.com/failsafe-go/failsafe-go/timeout"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/sony/gobreaker/v2"
)

// peerClients are the client stacks of others and what is written by hand.
var peerClients = map[string]func() http.RoundTripper{
	"failsafe-retry":                 func() http.RoundTripper { return failsafeStack(stub, false, false) },
	"failsafe-retry-breaker":         func() http.RoundTripper { return failsafeStack(stub, true, false) },
	"failsafe-retry-breaker-timeout": func() http.RoundTripper { return failsafeStack(stub, true, true) },
	"retryablehttp":                  func() http.RoundTripper { return retryable(stub) },
	"backoff":                        func() http.RoundTripper { return backingOff(stub) },
	"backoff-gobreaker":              func() http.RoundTripper { return backingOff(guarded(stub)) },
	"request-clone": func() http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) { return stub(r.Clone(r.Context())) })
	},
	"context-timeout": func() http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithTimeout(r.Context(), deadline)
			defer cancel() // too early for a body that comes later
			return stub(r.WithContext(ctx))
		})
	},
	"floor":         func() http.RoundTripper { return newFloor(stub, false, threeHosts, threeHosts) },
	"floor-timeout": func() http.RoundTripper { return newFloor(stub, true, threeHosts, threeHosts) },
}

func failsafeStack(last http.RoundTripper, breaker, timeout bool) http.RoundTripper {
	policies := []failsafe.Policy[*http.Response]{failsafehttp.NewRetryPolicyBuilder().Build()}
	if breaker {
		policies = append(policies, circuitbreaker.NewBuilder[*http.Response]().WithFailureThreshold(5).Build())
	}
	if timeout {
		policies = append(policies, failsafetimeout.New[*http.Response](deadline))
	}
	return failsafehttp.NewRoundTripper(last, policies...)
}

// retryable is a client of its own, not a layer: only its Do repeats.
func retryable(last http.RoundTripper) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: last}
	c.Logger = nil
	c.RetryMax = 2
	c.Backoff = func(time.Duration, time.Duration, int, *http.Response) time.Duration { return 0 }
	return transport(func(r *http.Request) (*http.Response, error) {
		return c.Do(made(retryablehttp.FromRequest(r)))
	})
}

var errAgain = errors.New("again")

// backingOff is the usual loop around backoff.
func backingOff(last http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		var res *http.Response
		waits := backoff.WithContext(backoff.WithMaxRetries(&backoff.ZeroBackOff{}, 2), r.Context())
		err := backoff.Retry(func() (err error) {
			if res, err = last.RoundTrip(r); err != nil {
				return err
			}
			if res.StatusCode >= http.StatusInternalServerError {
				io.Copy(io.Discard, res.Body) //nolint:errcheck // it is thrown away
				res.Body.Close()
				return errAgain
			}
			return nil
		}, waits)
		return res, err
	})
}

// guarded is a layer around gobreaker.
func guarded(last http.RoundTripper) http.RoundTripper {
	b := gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{})
	return transport(func(r *http.Request) (*http.Response, error) {
		return b.Execute(func() (*http.Response, error) {
			res, err := last.RoundTrip(r)
			if err == nil && res.StatusCode >= http.StatusInternalServerError {
				return res, fmt.Errorf("status %d", res.StatusCode)
			}
			return res, err
		})
	})
}
