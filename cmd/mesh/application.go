package main

import (
	"errors"
	"net/http"
	"strings"

	sidecar "github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

// An application is the process behind the sidecar. It is spoken to in the version
// of HTTP that the caller speaks, and what it has not seen is sent twice more. Calls
// of gRPC have the time that they give themselves.
type application struct {
	http1, http2 *upstream.Upstream
	bounded      http.RoundTripper // either of them
}

func newApplication(addr string) (*application, error) {
	on, _, err := retry.ParseOn("reset-before-request")
	if err != nil {
		return nil, err
	}
	open := func(p upstream.Protocol) (*upstream.Upstream, error) {
		return upstream.New(upstream.Config{
			Name: "application", Endpoints: []lb.Endpoint{{Addr: addr}}, NoEjection: true,
			Connections: upstream.Connections{Protocol: p},
			Retry:       retry.Config{On: on, Attempts: 2, Unsafe: true, MaxRetryAfter: -1, SameHost: true},
		})
	}
	a := new(application)
	if a.http1, err = open(upstream.HTTP1); err != nil {
		return nil, err
	}
	if a.http2, err = open(upstream.HTTP2); err != nil {
		a.http1.Close()
		return nil, err
	}
	calls, err := timeout.New(timeout.Config{GRPC: true})
	if err != nil {
		a.close()
		return nil, err
	}
	a.bounded = calls.Transport(spoken{a})
	return a, nil
}

// RoundTrip implements http.RoundTripper.
func (a *application) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(r.Context())
	u := *r.URL
	u.Scheme = "http" // what the caller spoke ends here
	r.URL = &u
	if outOfTime(r) {
		if r.Body != nil {
			r.Body.Close() //nolint:errcheck // nobody has read it
		}
		return nil, asServed(&sidecar.Error{Op: "timeout", Status: http.StatusGatewayTimeout, Stage: sidecar.NotSent, Details: sidecar.DetailsResponseTimeout})
	}
	res, err := a.bounded.RoundTrip(r)
	if err != nil {
		return nil, asServed(err)
	}
	return res, nil
}

// outOfTime reports whether a call of gRPC comes with no time at all, which to a
// caller's sidecar would be time without an end.
func outOfTime(r *http.Request) bool {
	v := r.Header.Get("Grpc-Timeout")
	return len(v) > 1 && strings.Trim(v[:len(v)-1], "0") == "" && strings.ContainsAny(v[len(v)-1:], "HMSmun") && grpc.Is(r.Header)
}

// asServed is err as a server's sidecar tells it: retries are in the flags, and a
// call is over when its own time is, which is no failure of the application.
func asServed(err error) error {
	var failed *sidecar.Error
	if !errors.As(err, &failed) {
		return err
	}
	e := *failed
	switch {
	case e.Details == sidecar.DetailsResponseTimeout:
		e.Flag, e.Details, e.Header = "", "max_duration_timeout", http.Header{"Grpc-Status": {"4"}}
	case e.Retried:
		e.Flag = sidecar.RetriesExhausted.With(e.Flag)
	}
	return &e
}

// spoken sends a request in the caller's version of HTTP.
type spoken struct{ *application }

// RoundTrip implements http.RoundTripper.
func (s spoken) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ProtoMajor == 2 {
		return s.http2.RoundTrip(r)
	}
	return s.http1.RoundTrip(r)
}

func (a *application) close() {
	a.http1.Close()
	a.http2.Close()
}
