package metrics_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/telemetry/metrics"
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
	a.res = http.Response{StatusCode: 200, Body: &a.body, Request: r, Header: answerHeader}
	return &a.res, nil
}

var answerHeader = http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"5"}}

func send(tb testing.TB, transport http.RoundTripper, r *http.Request) {
	res, err := transport.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

func newMetrics(tb testing.TB, c metrics.Config) (*metrics.Metrics, *prometheus.Registry) {
	tb.Helper()
	registry := prometheus.NewPedanticRegistry()
	c.Registerer = registry
	m, err := metrics.New(c)
	require.NoError(tb, err)
	return m, registry
}

// usual is the record of a request that went well.
func usual() access.Record {
	r := request("server", "User-Agent", "curl", "Accept", "*/*")
	return access.Record{
		Method: "GET", Host: "server", Path: "/", Duration: 12 * time.Millisecond, Upstream: cluster, Endpoint: "10.0.0.1:80",
		Status: 200, Details: "via_upstream", Sent: 5, Attempts: 1, Peer: &ratings, Request: r, Header: answerHeader,
	}
}

func TestARequestAllocatesNothing(t *testing.T) {
	m, _ := newMetrics(t, metrics.Config{Workload: productpage})
	record := usual()
	for name, sink := range map[string]access.Sink{"source": m.Source, "destination": m.Destination} {
		sink(t.Context(), record)
		ctx := context.Background()
		require.Zero(t, testing.AllocsPerRun(100, func() { sink(ctx, record) }), name)
	}
}

func BenchmarkSink(b *testing.B) {
	m, _ := newMetrics(b, metrics.Config{Workload: productpage})
	record := usual()
	for _, side := range []struct {
		name string
		sink access.Sink
	}{{"source", m.Source}, {"destination", m.Destination}} {
		b.Run(side.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ctx := context.Background()
				for pb.Next() {
					side.sink(ctx, record)
				}
			})
		})
	}
	b.Run("its counters alone", func(b *testing.B) {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "a"})
		var h [3]prometheus.Histogram
		for i := range h {
			h[i] = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "b"})
		}
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Inc()
				for i := range h {
					h[i].Observe(12)
				}
			}
		})
	})
}

// recorded is a layer that installs the record of a request, as any layer of a chain
// does, and nothing else.
type recorded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	_, out := flow.Ensure(r)
	return l.next.RoundTrip(out)
}

// observed is the sink of metrics and of a log of one in a hundred requests.
func observed(tb testing.TB) access.Sink {
	tb.Helper()
	m, _ := newMetrics(tb, metrics.Config{Workload: productpage})
	log, err := access.Envoy(io.Discard, access.IstioText)
	require.NoError(tb, err)
	return access.Join(m.Source, access.Sampled(100, log))
}

// To be seen costs a request one allocation, of what is known of its answer, besides
// its record. Not to be seen costs nothing.
func TestObservingAllocatesOnce(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "http://server/", nil)
	require.NoError(t, err)
	bare := recorded{new(answering)}
	off := access.Join().Transport(bare)
	require.Equal(t, http.RoundTripper(bare), off, "without sinks there is no layer")
	on := observed(t).Transport(bare)
	run := func(transport http.RoundTripper) float64 {
		return testing.AllocsPerRun(1000, func() { send(t, transport, r) })
	}
	run(on)
	require.LessOrEqual(t, run(on)-run(bare), 1.0)
}

// The line to compare with is what a timeout by context.WithTimeout costs a request:
// observed less bare should not be above 1.2 of it. Each CPU sends its own requests to
// the same metrics.
func BenchmarkObserved(b *testing.B) {
	// A service has a heap; next to none would be collected all the time.
	ballast := make([]byte, 16<<20)
	defer runtime.KeepAlive(ballast)
	for _, layer := range []struct {
		name string
		sink access.Sink
	}{{"bare", nil}, {"observed", observed(b)}} {
		b.Run(layer.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r, err := http.NewRequest(http.MethodGet, "http://server/", nil)
				if err != nil {
					b.Error(err)
				}
				transport := layer.sink.Transport(recorded{new(answering)})
				for pb.Next() {
					send(b, transport, r)
				}
			})
		})
	}
	b.Run("context.WithTimeout", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			ctx := context.Background()
			for pb.Next() {
				_, cancel := context.WithTimeout(ctx, time.Minute)
				cancel()
			}
		})
	})
}
