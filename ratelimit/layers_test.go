package ratelimit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/ratelimit"
)

// always is about all requests the same.
func always(s *service) ratelimit.Config {
	c := perUser(s)
	c.Limits = limits(ratelimit.Action{Key: "generic_key", Value: "all"})
	return c
}

func TestTheLayersKeepTheContract(t *testing.T) {
	for name, change := range map[string]func(*service){
		"passing":           func(*service) {},
		"passing and told":  func(s *service) { s.more, s.onward = header("X-A", "b"), nil },
		"refusing":          func(s *service) { s.limit("generic_key=all", 0) },
		"passing unguarded": func(s *service) { s.server.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			change(s)
			client := must(t, always(s))
			t.Run("transport", func(t *testing.T) { meshtest.TestTransport(t, client.Transport) })
			if name != "passing and told" { // which adds to an answer, as it should
				t.Run("handler", func(t *testing.T) { meshtest.TestHandler(t, client.Handler) })
			}
		})
	}
}

func header(pairs ...string) (all []*core.HeaderValue) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, &core.HeaderValue{Key: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// serve answers a request of a user behind a client.
func serve(c *ratelimit.Client, user string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-User", user)
	c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Ratelimit-Limit", "of the handler")
		io.WriteString(w, "hello "+r.Header.Get("X-Tier")) //nolint:errcheck // a recorder takes all
	})).ServeHTTP(w, r)
	return w
}

func TestLimitsAreKeptByTheService(t *testing.T) {
	s := newService(t)
	s.limit("user=anna", 2)
	client := must(t, perUser(s))
	for _, c := range []struct {
		user string
		want int
	}{{"anna", 200}, {"anna", 200}, {"anna", 429}, {"ben", 200}, {"anna", 429}} {
		require.Equal(t, c.want, serve(client, c.user).Code)
	}
	require.Equal(t, ratelimit.Stats{Allowed: 3, Limited: 2}, client.Stats())
}

func TestRefusalsAreEnvoys(t *testing.T) {
	over := func(s *service) { s.limit("generic_key=all", 0) }
	for _, c := range []struct {
		name    string
		service func(*service)
		change  func(*ratelimit.Config)
		status  int
		header  http.Header
		body    string
	}{
		{"by default", over, func(*ratelimit.Config) {}, 429, http.Header{"X-Envoy-Ratelimited": {"true"}, "Retry-After": {"1800"}}, ""},
		{"with headers", over, func(c *ratelimit.Config) { c.Headers = true }, 429, http.Header{
			"X-Envoy-Ratelimited": {"true"}, "Retry-After": {"1800"},
			"X-Ratelimit-Limit": {"0, 0;w=3600"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1800"},
		}, ""},
		{"with another status", over, func(c *ratelimit.Config) { c.Status = 503 }, 503, http.Header{"X-Envoy-Ratelimited": {"true"}}, ""},
		{"that may be repeated", over, func(c *ratelimit.Config) { c.Retriable = true }, 429, http.Header{"Retry-After": {"1800"}}, ""},
		{"with headers of ours", over, func(c *ratelimit.Config) { c.Header = http.Header{"x-a": {"b", "c"}} }, 429, http.Header{"X-Envoy-Ratelimited": {"true"}, "Retry-After": {"1800"}, "X-A": {"b", "c"}}, ""},
		{"with headers and a text of the service", func(s *service) {
			over(s)
			s.body = "<p>slowly</p>"
			s.more = header("content-type", "text/html", "retry-after", "7", "x-a", "1", "x-a", "2", ":status", "200", "", "x")
		}, func(c *ratelimit.Config) { c.Header = http.Header{"X-A": {"3"}} }, 429, http.Header{
			"X-Envoy-Ratelimited": {"true"}, "Retry-After": {"7"}, "Content-Type": {"text/html"}, "X-A": {"1", "2", "3"},
		}, "<p>slowly</p>"},
		{"of a service without statuses", func(s *service) {
			s.answer = func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
				return &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OVER_LIMIT}, nil
			}
		}, func(c *ratelimit.Config) { c.Headers = true }, 429, http.Header{"X-Envoy-Ratelimited": {"true"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			c.service(s)
			config := always(s)
			c.change(&config)
			client := must(t, config)
			w := serve(client, "")
			require.Equal(t, c.status, w.Code)
			require.Equal(t, c.body, w.Body.String())
			got := w.Header().Clone()
			got.Del("Content-Length")
			if c.header.Get("Content-Type") == "" {
				got.Del("Content-Type")
			}
			require.Equal(t, c.header, got)

			_, err := client.Transport(meshtest.NewUpstream()).RoundTrip(httptest.NewRequest("GET", "http://a/", nil))
			var e *mesh.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, mesh.RateLimited, e.Flag)
			require.Equal(t, c.status, e.Status)
			require.Equal(t, "request_rate_limited", e.Details)
			require.Equal(t, mesh.NotSent, e.Stage)
		})
	}
}

func TestCallersOfGRPCAreToldByTheirStatus(t *testing.T) {
	s := newService(t)
	s.limit("generic_key=all", 0)
	for exhausted, want := range map[bool]string{false: "14", true: "8"} {
		config := always(s)
		config.ResourceExhausted = exhausted
		r := httptest.NewRequest("POST", "/a.B/C", nil)
		r.Header.Set("Content-Type", "application/grpc")
		w := httptest.NewRecorder()
		must(t, config).Handler(http.NotFoundHandler()).ServeHTTP(w, r)
		require.Equal(t, 200, w.Code)
		require.Equal(t, want, w.Header().Get("Grpc-Status"))
	}
}

func TestWhatTheServiceAddsToRequestsThatPass(t *testing.T) {
	s := newService(t)
	s.limit("generic_key=all", 10)
	s.more, s.onward = header("x-a", "b"), header("x-tier", "gold")
	config := always(s)
	config.Headers = true
	client := must(t, config)

	w := serve(client, "")
	require.Equal(t, "hello gold", w.Body.String())
	require.Equal(t, []string{"b"}, w.Header()["X-A"])
	require.Equal(t, []string{"of the handler", "10, 10;w=3600"}, w.Header()["X-Ratelimit-Limit"], "as Envoy, which adds and does not replace")
	require.Equal(t, []string{"9"}, w.Header()["X-Ratelimit-Remaining"])
	require.Equal(t, []string{"1800"}, w.Header()["X-Ratelimit-Reset"])

	r := httptest.NewRequest("GET", "http://a/", nil)
	res, err := client.Transport(roundTripper(func(got *http.Request) (*http.Response, error) {
		require.Equal(t, "gold", got.Header.Get("X-Tier"))
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})).RoundTrip(r)
	require.NoError(t, err)
	require.Empty(t, r.Header, "the caller's request stays as it was")
	require.Equal(t, "8", res.Header.Get("X-Ratelimit-Remaining"))
	require.Equal(t, "b", res.Header.Get("X-A"))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAServiceThatFails(t *testing.T) {
	hangs := func(ctx context.Context, _ *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, fails := range map[string]func(*service){
		"it is not there": func(s *service) { s.server.Stop() },
		"it says so": func(s *service) {
			s.answer = func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
				return nil, status.Error(codes.Internal, "no Redis")
			}
		},
		"it says neither yes nor no": func(s *service) {
			s.answer = func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
				return &rls.RateLimitResponse{}, nil
			}
		},
		"it says nothing": func(s *service) { s.answer = hangs },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			fails(s)
			config := always(s)
			config.Timeout = 0 // the default of 20 ms
			open := must(t, config)
			require.Equal(t, 200, serve(open, "").Code)
			require.Equal(t, ratelimit.Stats{Failed: 1, Passed: 1}, open.Stats())

			config.FailClosed = true
			closed := must(t, config)
			w := serve(closed, "")
			require.Equal(t, 500, w.Code)
			require.Empty(t, w.Body.String())
			require.Equal(t, ratelimit.Stats{Failed: 1}, closed.Stats())
			_, err := closed.Transport(meshtest.NewUpstream()).RoundTrip(httptest.NewRequest("GET", "http://a/", nil))
			var e *mesh.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, mesh.RateLimitService, e.Flag)
			require.Equal(t, "rate_limiter_error", e.Details)
			require.Error(t, errors.Unwrap(e))

			config.StatusOnError = 503
			require.NoError(t, closed.Update(config))
			require.Equal(t, 503, serve(closed, "").Code)
		})
	}
}

// The end of the caller's own context is no failure of the service.
func TestACallerThatGoesAwayIsNotAskedAbout(t *testing.T) {
	s := newService(t)
	asked := make(chan struct{})
	s.answer = func(ctx context.Context, _ *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	config := always(s)
	config.Timeout = -1
	client := must(t, config)
	ctx, leave := context.WithCancelCause(t.Context())
	reason := errors.New("had enough")
	go func() { <-asked; leave(reason) }()
	r := httptest.NewRequest("POST", "http://a/", io.NopCloser(strings.NewReader("x"))).WithContext(ctx)
	_, err := client.Transport(meshtest.NewUpstream()).RoundTrip(r)
	require.Equal(t, reason, err)
	require.Zero(t, client.Stats())
}

func TestTheCallIsBounded(t *testing.T) {
	s := newService(t)
	deadline := make(chan time.Duration, 1)
	s.answer = func(ctx context.Context, _ *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
		at, bounded := ctx.Deadline()
		if !bounded {
			deadline <- 0
		} else {
			deadline <- time.Until(at)
		}
		return &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OK}, nil
	}
	for timeout, most := range map[time.Duration]time.Duration{time.Hour: time.Hour, -1: 0} {
		config := always(s)
		config.Timeout = timeout
		serve(must(t, config), "")
		got := <-deadline
		require.LessOrEqual(t, got, most)
		require.Equal(t, most > 0, got > 0)
	}
}

func TestUpdate(t *testing.T) {
	s := newService(t)
	s.limit("user=anna", 0)
	client := must(t, perUser(s))
	require.Equal(t, 429, serve(client, "anna").Code)
	require.Error(t, client.Update(ratelimit.Config{}))
	require.Equal(t, 429, serve(client, "anna").Code, "all or nothing")
	config := perUser(s)
	config.Limits = limits(ratelimit.Action{Key: "user", From: match.HeaderKey("X-Other"), Optional: true}, ratelimit.Action{Key: "b", Value: "c"})
	require.NoError(t, client.Update(config))
	require.Equal(t, 200, serve(client, "anna").Code)
	require.Equal(t, ratelimit.Stats{Allowed: 1, Limited: 2}, client.Stats())
}
