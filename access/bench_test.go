package access_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/flow"
)

// answering answers without an allocation of its own.
type answering struct {
	res  http.Response
	body replayed
}

type replayed struct{ strings.Reader }

// Close implements io.Closer.
func (*replayed) Close() error { return nil }

// RoundTrip implements http.RoundTripper.
func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.body.Reset("hello")
	a.res = http.Response{StatusCode: 200, Body: &a.body, Request: r}
	return &a.res, nil
}

// recorded is a layer that installs the record and does nothing else.
type recorded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	_, out := flow.Ensure(r)
	return l.next.RoundTrip(out)
}

func send(tb testing.TB, transport http.RoundTripper, r *http.Request) {
	res, err := transport.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

func noSink(context.Context, access.Record) {}

// TestTransportAllocates says that a request costs nothing besides its record, with
// which the copy of the request and what is known of the answer are allocated.
func TestTransportAllocates(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
	require.NoError(t, err)
	var next http.RoundTripper = recorded{new(answering)}
	bare := testing.AllocsPerRun(100, func() { send(t, next, r) })
	layer := access.Sink(noSink).Transport(next)
	with := testing.AllocsPerRun(100, func() { send(t, layer, r) })
	require.Zero(t, with-bare)
}

func BenchmarkTransport(b *testing.B) {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://reviews/", nil)
	require.NoError(b, err)
	next := new(answering)
	for _, layer := range []struct {
		name      string
		transport http.RoundTripper
	}{
		{"no layer", next},
		{"record", recorded{next}},
		{"access", access.Sink(noSink).Transport(next)},
		{"access 1 in 100", access.Sampled(100, noSink).Transport(next)},
	} {
		b.Run(layer.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(b, layer.transport, r)
			}
		})
	}
}

func BenchmarkEnvoy(b *testing.B) {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://reviews/", nil)
	require.NoError(b, err)
	r.Header.Set("User-Agent", "curl/7.88.1")
	record := access.Record{Method: "GET", Host: "reviews", Path: "/", Protocol: "HTTP/1.1", Status: 200, Details: "via_upstream",
		Upstream: "outbound|80||reviews.default.svc.cluster.local", Endpoint: "10.0.0.1:9080", Sent: 12345, Request: r}
	for name, format := range map[string]string{"text": access.IstioText, "json": istioJSON} {
		b.Run(name, func(b *testing.B) {
			sink, err := access.Envoy(io.Discard, format)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				sink(b.Context(), record)
			}
		})
	}
}

func TestEnvoyAllocatesNothing(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
	require.NoError(t, err)
	record := access.Record{Method: "GET", Status: 200, Details: "via_upstream", Sent: 12345, Request: r}
	for _, format := range []string{access.IstioText, istioJSON} {
		sink, err := access.Envoy(io.Discard, format)
		require.NoError(t, err)
		ctx := t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() { sink(ctx, record) }))
	}
}
