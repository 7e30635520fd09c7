package metrics_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/telemetry"
	"github.com/sidecarless/mesh/telemetry/metrics"
	"github.com/sidecarless/mesh/upstream"
)

// What becomes of a request, by the last digit of its number: the others are answered
// well.
const (
	isRetried   = 6
	isAborted   = 7
	isCancelled = 8
	isFailed    = 9
)

// A counting server counts what it does, by itself.
type counting struct {
	seen, busy, failed, left atomic.Int64
	cancels                  sync.Map // of context.CancelFunc, by number
}

// ServeHTTP implements http.Handler.
func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.seen.Add(1)
	n, _ := strconv.Atoi(r.Header.Get("N"))
	switch {
	case n%10 == isRetried && r.Header.Get("X-Envoy-Attempt-Count") == "1":
		c.busy.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	case n%10 == isCancelled:
		c.left.Add(1)
		cancel, _ := c.cancels.Load(n)
		cancel.(context.CancelFunc)() // the caller goes away now
		<-r.Context().Done()
	case n%10 == isFailed:
		c.failed.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	default:
		io.WriteString(w, "hello")
	}
}

// inProcess sends requests to a handler.
type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.WithContext(r.Context())
	in.RequestURI, in.Header = "/", r.Header.Clone()
	p.handler.ServeHTTP(w, in)
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

// A hundred thousand requests in eight lines, some repeated, some aborted by a fault,
// some left by their callers: metrics, log and console say exactly what callers and
// server saw.
// Over the wire there are fewer, since these take more time.
func TestEveryRequestIsCountedOnce(t *testing.T) {
	for name, requests := range map[string]int{"in process": 100_000, "over the wire": 2_000} {
		t.Run(name, func(t *testing.T) {
			callers, servers := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
			calling, err := metrics.New(metrics.Config{Registerer: callers, Workload: productpage})
			require.NoError(t, err)
			serving, err := metrics.New(metrics.Config{Registerer: servers, Workload: ratings, Service: server})
			require.NoError(t, err)
			var app counting
			handler := telemetry.NewExchange(ratings).Handler(access.Sink(serving.Destination).Handler(&app))
			config := upstream.Config{
				Name: cluster, Endpoints: lb.Addrs("10.0.0.1:80"), Transport: inProcess{handler}, NoEjection: true,
				Retry: retry.Config{
					On: []retry.Condition{retry.StatusCodes}, Statuses: []int{503}, Attempts: 1, TellAttempt: true, Unsafe: true, MaxRetryAfter: -1,
					Backoff: retry.Backoff{Base: time.Microsecond},
				},
				Attempt: telemetry.NewExchange(productpage).Transport,
			}
			var wire *httptest.Server
			if name == "over the wire" {
				wire = httptest.NewServer(handler)
				config.Transport, config.Endpoints = nil, lb.Addrs(wire.Listener.Addr().String())
			}
			config.Retry.Budget, err = retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 1 << 20})
			require.NoError(t, err)
			up, err := upstream.New(config)
			require.NoError(t, err)
			aborts, err := fault.New(fault.Config{
				When:  match.Request{Headers: []match.Field{{Name: "Abort", Value: match.Exact("1")}}},
				Abort: fault.Abort{Share: mesh.Always, Status: http.StatusTeapot},
			})
			require.NoError(t, err)
			var lines bytes.Buffer
			log, err := access.Envoy(&lines, "%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n")
			require.NoError(t, err)
			page, err := console.New(console.Config{Upstreams: []*upstream.Upstream{up}})
			require.NoError(t, err)
			defer page.Close()
			client := mesh.Chain(access.Join(calling.Source, page.Sink, log).Transport, mesh.ErrorsAsResponses, aborts.Transport)(up)

			seen := map[string]int{}
			var mu sync.Mutex
			var wait sync.WaitGroup
			var next atomic.Int64
			for range 8 {
				wait.Go(func() {
					for n := int(next.Add(1)); n <= requests; n = int(next.Add(1)) {
						code := call(t, client, &app, n)
						mu.Lock()
						seen[code]++
						mu.Unlock()
					}
				})
			}
			wait.Wait()
			if wire != nil {
				wire.Close() // which waits for its handlers
			}
			shown := shownBy(t, page)
			require.NoError(t, up.Close())

			tenth := requests / 10
			want := map[string]int{"200": 7 * tenth, "418": tenth, "500": tenth, "0": tenth}
			require.Equal(t, want, seen, "what callers saw")
			require.Equal(t, want, byCode(t, callers), "what the client's metrics say")
			require.EqualValues(t, requests, total(t, callers, "istio_request_duration_milliseconds"))
			require.EqualValues(t, requests, total(t, callers, "istio_response_bytes"))

			logged := map[string]int{}
			for scan := bufio.NewScanner(&lines); scan.Scan(); {
				code, _, _ := strings.Cut(scan.Text(), " ")
				logged[code]++
			}
			require.Equal(t, want, logged, "what the log says")

			require.EqualValues(t, requests, shown["client"], "what the console shows")
			require.EqualValues(t, app.seen.Load(), shown["endpoint"], "and of attempts")

			require.EqualValues(t, 10*tenth, app.seen.Load()) // two for those retried, none for those aborted
			require.EqualValues(t, app.seen.Load(), total(t, servers, "istio_requests_total"), "what the server's metrics say")
			require.Equal(t, map[string]int{
				"200": 7 * tenth, "503": int(app.busy.Load()), "500": int(app.failed.Load()), "0": int(app.left.Load()),
			}, byCode(t, servers))

			require.EqualValues(t, app.seen.Load(), total(t, callers, "envoy_cluster_upstream_rq_total"), "attempts")
			require.EqualValues(t, app.busy.Load(), total(t, callers, "envoy_cluster_upstream_rq_retry"))
			require.EqualValues(t, app.busy.Load(), total(t, callers, "envoy_cluster_upstream_rq_retry_success"))
			require.EqualValues(t, app.busy.Load(), total(t, callers, "envoy_cluster_retry_upstream_rq"))
			require.EqualValues(t, app.left.Load(), total(t, callers, "envoy_cluster_upstream_rq_tx_reset"))
			require.Zero(t, total(t, callers, "mesh_metrics_folded_total"))
		})
	}
}

// call sends the request with a number and gives the code that its caller saw; zero is
// none.
func call(t *testing.T, client http.RoundTripper, app *counting, n int) string {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+"/", nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	r.Header.Set("N", strconv.Itoa(n))
	switch n % 10 {
	case isAborted:
		r.Header.Set("Abort", "1")
	case isCancelled:
		app.cancels.Store(n, cancel)
		defer app.cancels.Delete(n)
	}
	res, err := client.RoundTrip(r)
	if err != nil {
		return "0"
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return strconv.Itoa(res.StatusCode)
}

// shownBy is how many requests a console shows at its nodes, by their kinds.
func shownBy(t *testing.T, page *console.Console) map[string]int {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://localhost/?format=json", nil)
	r.RemoteAddr = "127.0.0.1:1"
	page.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var graph struct {
		Nodes []struct {
			Kind  string
			Total int
		}
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &graph))
	shown := map[string]int{}
	for _, n := range graph.Nodes {
		shown[n.Kind] += n.Total
	}
	return shown
}

func byCode(t *testing.T, g prometheus.Gatherer) map[string]int {
	all := map[string]int{}
	for _, s := range seriesOf(t, g, "istio_requests_total") {
		all[s.labels["response_code"]] += int(s.value)
	}
	return all
}

func total(t *testing.T, g prometheus.Gatherer, metric string) (sum float64) {
	for _, s := range seriesOf(t, g, metric) {
		sum += s.value
	}
	return sum
}
