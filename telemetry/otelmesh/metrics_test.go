package otelmesh_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
	"github.com/sidecarless/mesh/upstream"
)

// seconds are the boundaries that the conventions give to both durations.
var seconds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// measured is a Meter that a test reads.
func measured() (func(*otelmesh.Config), func(*testing.T) map[string]metricdata.Metrics) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	return func(c *otelmesh.Config) { c.Meter = provider }, func(t *testing.T) map[string]metricdata.Metrics {
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &all))
		byName := map[string]metricdata.Metrics{}
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				byName[m.Name] = m
			}
		}
		return byName
	}
}

func histogram(name, description string, points ...metricdata.HistogramDataPoint[float64]) metricdata.Metrics {
	return metricdata.Metrics{
		Name: name, Description: description, Unit: "s",
		Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: points},
	}
}

// point is a point with observations in buckets, all of them equal.
func point(sum float64, buckets map[int]uint64, attrs ...attribute.KeyValue) metricdata.HistogramDataPoint[float64] {
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: attribute.NewSet(attrs...), Bounds: seconds, BucketCounts: make([]uint64, len(seconds)+1), Sum: sum,
	}
	for i, n := range buckets {
		p.BucketCounts[i] = n
		p.Count += n
	}
	p.Min, p.Max = metricdata.NewExtrema(sum/float64(p.Count)), metricdata.NewExtrema(sum/float64(p.Count))
	return p
}

// Each attempt is a request of HTTP, and measured.
func TestDurationsOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter, collect := measured()
		s := newSpans(t, meter)
		up, err := upstream.New(upstream.Config{
			Name: "svc", Endpoints: []lb.Endpoint{{Addr: "10.0.0.1:80"}}, Attempt: s.Attempt,
			Retry: retry.Config{Attempts: 1, On: []retry.Condition{retry.ServerError}, PerTry: 8 * time.Second},
			Transport: meshtest.NewUpstream(
				meshtest.Reply{Status: 503, Delay: 250 * time.Millisecond}, meshtest.Reply{Delay: 2 * time.Second},
				meshtest.Reply{Delay: time.Hour}, meshtest.Reply{Delay: 2 * time.Second},
			),
		})
		require.NoError(t, err)
		defer up.Close()
		for range 2 {
			_, err = send(t, s.Transport(up), get(t, "http://svc:8080/a"))
			require.NoError(t, err)
		}
		common := []attribute.KeyValue{
			attribute.String("http.request.method", "GET"), attribute.String("server.address", "svc"),
			attribute.Int("server.port", 8080), attribute.String("url.scheme", "http"),
		}
		with := func(attrs ...attribute.KeyValue) []attribute.KeyValue { return append(attrs, common...) }
		version := attribute.String("network.protocol.version", "1.1")
		// A value on a boundary is in the bucket below it.
		metricdatatest.AssertEqual(t, histogram("http.client.request.duration", "Duration of HTTP client requests.",
			point(4, map[int]uint64{10: 2}, with(version, attribute.Int("http.response.status_code", 200))...),
			point(0.25, map[int]uint64{6: 1}, with(version, attribute.Int("http.response.status_code", 503), attribute.String("error.type", "503"))...),
			point(8, map[int]uint64{13: 1}, with(attribute.String("error.type", "upstream_per_try_timeout"))...),
		), collect(t)["http.client.request.duration"], metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	})
}

func TestDurationsOfServedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter, collect := measured()
		layer := mustNew(t, with(meter))
		mux := http.NewServeMux()
		mux.HandleFunc("/books/{id}", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Millisecond)
			w.WriteHeader(500)
		})
		for range 3 {
			layer.Handler(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/books/7", nil))
		}
		metricdatatest.AssertEqual(t, histogram("http.server.request.duration", "Duration of HTTP server requests.",
			point(0.06, map[int]uint64{2: 3},
				attribute.String("http.request.method", "POST"), attribute.String("url.scheme", "http"),
				attribute.String("network.protocol.version", "1.1"), attribute.String("http.route", "/books/{id}"),
				attribute.Int("http.response.status_code", 500), attribute.String("error.type", "500")),
		), collect(t)["http.server.request.duration"], metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	})
}

func with(change ...func(*otelmesh.Config)) (c otelmesh.Config) {
	for _, f := range change {
		f(&c)
	}
	return c
}

// An exemplar leads from a bucket to the span of one of its requests.
func TestExemplarsNameTheSpan(t *testing.T) {
	meter, collect := measured()
	s := newSpans(t, meter)
	_, err := send(t, s.Attempt(meshtest.NewUpstream()), get(t, "http://svc/"))
	require.NoError(t, err)
	s.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	for i, name := range []string{"http.client.request.duration", "http.server.request.duration"} {
		points := collect(t)[name].Data.(metricdata.Histogram[float64]).DataPoints
		require.Len(t, points[0].Exemplars, 1)
		id := s.Ended()[i].SpanContext().SpanID()
		require.Equal(t, id[:], points[0].Exemplars[0].SpanID)
	}
}

// A caller that makes up hosts costs memory of the meter, not of the layer.
func TestManyHostsAreMeasuredAll(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(0))
	layer := mustNew(t, otelmesh.Config{Meter: provider})
	const hosts = 1500
	server := meshtest.NewUpstream()
	for i := range hosts {
		r := get(t, "http://svc/")
		r.Host = string(rune('a'+i%26)) + "-" + time.Duration(i).String()
		_, err := send(t, layer.Attempt(server), r)
		require.NoError(t, err)
	}
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints, hosts)
}
