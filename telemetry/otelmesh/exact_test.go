package otelmesh_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// Under retries, hedges, faults and callers that go away there is one span for each
// request, one for each attempt that was sent, and each is measured once; the
// attempts of a request are its children, numbered without a gap.
func TestSpansAndMetricsAreExactUnderLoad(t *testing.T) {
	meter, collect := measured()
	s := newSpans(t, meter)
	var sent, refused atomic.Int64
	server := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent.Add(1)
		if rand.IntN(50) == 0 { // slow, so that it is hedged or cancelled
			timer := time.NewTimer(20 * time.Millisecond)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			}
		}
		res := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader("body"))}
		if rand.IntN(5) == 0 {
			res.StatusCode = 503
			refused.Add(1)
		}
		return res, nil
	})
	budget, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 1 << 20})
	require.NoError(t, err)
	up, err := upstream.New(upstream.Config{
		Name: "svc", Endpoints: []lb.Endpoint{{Addr: "10.0.0.1:80"}, {Addr: "10.0.0.2:80"}}, NoEjection: true,
		Retry: retry.Config{
			Attempts: 3, On: []retry.Condition{retry.ServerError}, Budget: budget,
			Backoff: retry.Backoff{Base: time.Microsecond}, Hedge: retry.Hedge{After: 5 * time.Millisecond},
		},
		Attempt: s.Attempt, Transport: server,
	})
	require.NoError(t, err)
	defer up.Close()
	faults, err := fault.New(fault.Config{Abort: fault.Abort{Share: mesh.Percent(5), Status: 503}})
	require.NoError(t, err)
	var passed atomic.Int64 // requests that no fault answered
	client := mesh.Chain(s.Transport, faults.Transport)(roundTripper(func(r *http.Request) (*http.Response, error) {
		passed.Add(1)
		return up.RoundTrip(r)
	}))

	const callers, each = 16, 200
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(20) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(1000))*time.Microsecond, cancel)
				}
				send(t, client, get(t, "http://svc/").WithContext(ctx)) //nolint:errcheck // it is counted
				cancel()
			}
		})
	}
	// Attempts that lost begin and end on their own.
	all.Wait()
	stats := up.Stats().Retries
	expected := passed.Load() + int64(stats.Retries+stats.Hedges)
	require.Eventually(t, func() bool {
		return len(s.Ended()) == callers*each+int(expected)
	}, eventually, pollEvery)

	requests := map[trace.SpanID]int64{} // attempts they tell of
	numbers := map[trace.SpanID]map[int64]bool{}
	var errs, attempts int64
	for _, one := range s.Ended() {
		if one.SpanKind() == trace.SpanKindInternal {
			v, _ := value(one, "mesh.attempts")
			requests[one.SpanContext().SpanID()] = v.AsInt64()
			continue
		}
		attempts++
		parent := one.Parent().SpanID()
		if numbers[parent] == nil {
			numbers[parent] = map[int64]bool{}
		}
		_, lost := value(one, "mesh.lost")
		kind := attributes(one)["error.type"]
		numbers[parent][number(one)] = !lost && kind != "downstream_remote_disconnect"
		if status, ok := value(one, "http.response.status_code"); ok && status.AsInt64() == 503 && !lost {
			errs++
			require.Equal(t, codes.Error, one.Status().Code)
		}
	}
	require.Len(t, requests, callers*each)
	require.Equal(t, expected, attempts)
	require.Equal(t, expected, sent.Load())
	require.LessOrEqual(t, errs, refused.Load())
	for id, tried := range numbers {
		if _, known := requests[id]; !known {
			t.Fatal("attempts of no request")
		}
		require.Contains(t, tried, int64(1), "the first attempt has a span")
		for _, counts := range tried { // one that was cancelled may have begun when the request was over
			if counts {
				requests[id]--
			}
		}
		require.GreaterOrEqual(t, requests[id], int64(0), "it knows of its attempts")
	}
	var count uint64
	for _, p := range collect(t)["http.client.request.duration"].Data.(metricdata.Histogram[float64]).DataPoints {
		count += p.Count
	}
	require.Equal(t, uint64(expected), count)
}
