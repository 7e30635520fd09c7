package ratelimit

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/sidecarless/mesh"
)

// A Client asks about requests. It is made by [New] and may be used by many
// goroutines.
type Client struct {
	now                                       atomic.Pointer[settings]
	allowed, limited, failed, passed, unasked atomic.Uint64
}

// Stats are counters since [New].
type Stats struct {
	Allowed uint64 // requests that the service let pass
	Limited uint64 // requests that were over a limit
	Failed  uint64 // requests about which the service could not be asked
	Passed  uint64 // those of Failed that passed all the same
	Unasked uint64 // requests without a descriptor, that pass
}

// New makes a client. It asks nothing yet. The error lists everything that is wrong
// with the Config.
func New(c Config) (*Client, error) {
	s, err := compile(c)
	if err != nil {
		return nil, err
	}
	client := new(Client)
	client.now.Store(s)
	return client, nil
}

// Update takes a new Config, or none of it if anything is wrong. Calls under way
// end with what they began with.
func (c *Client) Update(config Config) error {
	s, err := compile(config)
	if err != nil {
		return err
	}
	c.now.Store(s)
	return nil
}

// Stats copies the counters.
func (c *Client) Stats() Stats {
	return Stats{c.allowed.Load(), c.limited.Load(), c.failed.Load(), c.passed.Load(), c.unasked.Load()}
}

// What the details of a refusal say, in Envoy's words.
const (
	detailsLimited = "request_rate_limited"
	detailsFailed  = "rate_limiter_error"
)

// An answer is what the service has to say about a request that passes.
type answer struct {
	request  http.Header // to be added to the request
	response http.Header // to be added to its answer
}

// ask asks about a request: an error refuses it.
func (c *Client) ask(r *http.Request) (answer, error) {
	s := c.now.Load()
	question := &rls.RateLimitRequest{Domain: s.Domain, Descriptors: s.descriptors(r)}
	if len(question.Descriptors) == 0 {
		c.unasked.Add(1)
		return answer{}, nil
	}
	if s.Hits != nil {
		question.HitsAddend = s.Hits(r)
	}
	said, err := s.call(r.Context(), question)
	switch {
	case err != nil && r.Context().Err() != nil:
		return answer{}, context.Cause(r.Context()) // nobody waits any more
	case err != nil:
		c.failed.Add(1)
		if s.FailClosed {
			return answer{}, s.failure(err)
		}
		c.passed.Add(1)
		return answer{}, nil
	case said.OverallCode == rls.RateLimitResponse_OVER_LIMIT:
		c.limited.Add(1)
		return answer{}, s.refusal(said)
	}
	c.allowed.Add(1)
	a := answer{request: headerOf(said.RequestHeadersToAdd), response: headerOf(said.ResponseHeadersToAdd)}
	if s.Headers {
		tell(a.response, said.Statuses)
	}
	return a, nil
}

// call asks within the timeout. Without an error the code is one that says yes or no.
func (s *settings) call(ctx context.Context, question *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	if s.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, s.Timeout)
		defer stop()
	}
	said, err := s.service.ShouldRateLimit(ctx, question)
	if err == nil && said.OverallCode == rls.RateLimitResponse_UNKNOWN {
		err = errors.New("the rate limit service does not say whether the request is over a limit")
	}
	return said, err
}

// refusal is the error of a request that is over a limit.
func (s *settings) refusal(said *rls.RateLimitResponse) error {
	h := headerOf(said.ResponseHeadersToAdd)
	if !s.Retriable {
		h["X-Envoy-Ratelimited"] = []string{"true"}
	}
	if s.Headers {
		tell(h, said.Statuses)
	}
	if s.Status == http.StatusTooManyRequests && len(h["Retry-After"]) == 0 {
		comeBack(h, said.Statuses)
	}
	addTo(h, s.Header)
	if s.ResourceExhausted {
		h["Grpc-Status"] = []string{"8"}
	}
	return &mesh.Error{
		Op: "ratelimit", Flag: mesh.RateLimited, Status: s.Status, Stage: mesh.NotSent,
		Details: detailsLimited, Text: string(said.RawBody), Header: h,
	}
}

// failure is the error of a request that nobody could be asked about.
func (s *settings) failure(err error) error {
	return &mesh.Error{
		Op: "ratelimit", Flag: mesh.RateLimitService, Status: s.StatusOnError, Stage: mesh.NotSent,
		Details: detailsFailed, Err: err,
	}
}
