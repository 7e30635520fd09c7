package console_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

func TestMain(m *testing.M) { leak.Main(m) }

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering answers every request with a status that its endpoint has.
func answering(status map[string]int) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		code := status[r.URL.Host]
		if code == 0 {
			return nil, errors.New("connection refused")
		}
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: r}, nil
	})
}

// newUpstream is an upstream with one good and one bad endpoint, which take turns
// until the bad one is ejected after its second failure.
func newUpstream(t testing.TB, name string) *upstream.Upstream {
	t.Helper()
	u, err := upstream.New(upstream.Config{
		Name: name, NoRetry: true, Transport: answering(map[string]int{"10.0.0.1:80": 200}),
		Endpoints: []lb.Endpoint{
			{Addr: "10.0.0.1:80", Locality: lb.Locality{Region: "eu", Zone: "a"}}, {Addr: "10.0.0.2:80"},
		},
		Balance:  lb.Config{Algorithm: lb.RoundRobin{}},
		Ejection: outlier.Config{Consecutive5xx: 2},
	})
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

// send sends n requests by way of a console's sink.
func send(t testing.TB, page *console.Console, u http.RoundTripper, n int) {
	t.Helper()
	client := mesh.Chain(access.Sink(page.Sink).Transport, mesh.ErrorsAsResponses)(u)
	for range n {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/1?user=jason", nil)
		require.NoError(t, err)
		r.Header.Set("X-Request-Id", "abc")
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
}

// newConsole is one that everybody may look at.
func newConsole(t testing.TB, c console.Config) *console.Console {
	t.Helper()
	page, err := console.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, page.Close()) })
	return page
}

// get asks for a path as curl on this machine does, with further headers.
func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	r.RemoteAddr = "127.0.0.1:4711"
	r.Header.Set("Accept", "*/*")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// record is a request as layers would tell it.
func record(change func(*access.Record)) access.Record {
	r := access.Record{
		Start: time.Now(), Duration: 10 * time.Millisecond, Method: "GET", Host: "reviews", Path: "/1", Protocol: "HTTP/1.1",
		Route: "jason", Upstream: "v1", Endpoint: "10.0.0.1:80", Status: 200, Details: "via_upstream", Attempts: 1,
		Last: mesh.Try{N: 1, Endpoint: "10.0.0.1:80", Start: time.Now(), Status: 200},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func tell(page *console.Console, r access.Record) { page.Sink(context.Background(), r) }
