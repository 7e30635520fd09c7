package retry_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// timeoutError is the cause with which a bound on the request ends it.
func timeoutError() *mesh.Error {
	return &mesh.Error{
		Op: "timeout", Flag: mesh.UpstreamTimeout, Status: http.StatusGatewayTimeout,
		Stage: mesh.MaybeProcessed, Details: mesh.DetailsResponseTimeout,
	}
}

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	e := mesh.AsError(err)
	require.Equal(t, mesh.UpstreamTimeout, e.Flag)
	require.Equal(t, http.StatusGatewayTimeout, e.Status)
	require.Equal(t, mesh.DetailsResponseTimeout, e.Details)
}

func requireGone(t *testing.T, err error) {
	t.Helper()
	var e *mesh.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, mesh.ClientGone, e.Flag)
	require.Equal(t, 499, e.Status)
}

// roundTripper makes a function an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
