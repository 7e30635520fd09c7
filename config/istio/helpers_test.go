package istio_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

// parse reads documents in which nothing is wrong.
func parse(t testing.TB, documents string) *istio.Config {
	t.Helper()
	c, err := istio.Parse("mesh.yaml", strings.NewReader(documents))
	require.NoError(t, err)
	return c
}

// sending is a function that sends requests.
type sending func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (s sending) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// answers answers everything with 200.
type answers struct{}

// RoundTrip implements http.RoundTripper.
func (answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}
