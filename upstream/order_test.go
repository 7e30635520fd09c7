package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/timeout"
)

// brokenBody breaks off.
func brokenBody(r *http.Request) (*http.Response, error) {
	body := io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: r}, nil
}

func noSink(context.Context, access.Record) {}

// A bound ends with what it is for, and layers around it do not take that for the end
// of the request, whether another layer has made the record or not.
func TestABoundInsideIsNotTheEndOfTheRequest(t *testing.T) {
	bound, err := timeout.New(timeout.Config{Total: time.Minute})
	require.NoError(t, err)
	for name, outermost := range map[string]func(http.RoundTripper) http.RoundTripper{
		"with a record":    access.Sink(noSink).Transport,
		"without a record": func(next http.RoundTripper) http.RoundTripper { return next },
	} {
		t.Run(name, func(t *testing.T) {
			for what, perTry := range map[string]time.Duration{"plain": 0, "bounded": time.Second} {
				t.Run("a retry is made, "+what, func(t *testing.T) {
					retries, err := retry.New(once(perTry))
					require.NoError(t, err)
					server := meshtest.NewUpstream(unavailable, meshtest.Reply{})
					status, _, err := get(mesh.Chain(outermost, retries.Transport, bound.Transport)(server))
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, status)
				})
			}
			for what, server := range map[string]roundTrip{
				"without an answer": func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") },
				"in the answer":     brokenBody,
			} {
				t.Run("a failure counts, "+what, func(t *testing.T) {
					circuit, err := breaker.New(breaker.Config{Trip: breaker.Trip{Consecutive: 5}})
					require.NoError(t, err)
					_, _, err = get(mesh.Chain(outermost, circuit.Transport, bound.Transport)(server))
					require.Error(t, err)
					require.EqualValues(t, 1, circuit.Stats().Failures)
				})
			}
		})
	}
}
