package upstream

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
)

// A limitsVector is a case of circuit_breakers.json, measured on Envoy: requests
// that begin 12 ms apart.
type limitsVector struct {
	ID         string
	Thresholds struct{ Thresholds []threshold }
	Upstream   string
	Warm       int `json:"warm_requests"`
	Route      struct {
		Priority string
		Retry    *struct {
			Retries int `json:"num_retries"`
		} `json:"retry_policy"`
	}
	Requests []struct {
		N, Status, Attempts int
		Flags, Details      string
	}
	Stats map[string]float64
}

type threshold struct {
	Priority    string
	Connections int `json:"max_connections"`
	Pending     int `json:"max_pending_requests"`
	Requests    int `json:"max_requests"`
	Retries     int `json:"max_retries"`
	Budget      *struct {
		Percent struct{ Value float64 } `json:"budget_percent"`
		Min     int                     `json:"min_retry_concurrency"`
	} `json:"retry_budget"`
}

// of the route's priority; Envoy's defaults for the rest.
func (v limitsVector) threshold() threshold {
	for _, t := range v.Thresholds.Thresholds {
		if t.Priority == v.Route.Priority || t.Priority == "DEFAULT" && v.Route.Priority == "" {
			return t
		}
	}
	return threshold{}
}

func (v limitsVector) config(t *testing.T) Config {
	th := v.threshold()
	c := Config{Name: "svc", Endpoints: lb.Addrs("a:80"), NoEjection: true, NoRetry: v.Route.Retry == nil}
	c.Breaker.Limits = breaker.LimitsConfig{MaxConnections: th.Connections, MaxPending: th.Pending, MaxRequests: th.Requests}
	if v.Route.Retry == nil {
		return c
	}
	b := retry.BudgetConfig{MaxConcurrent: 3} // Envoy's default
	switch {
	case th.Retries > 0:
		b.MaxConcurrent = th.Retries
	case th.Budget != nil:
		b = retry.BudgetConfig{Percent: orOff(th.Budget.Percent.Value), MinConcurrent: orOff(th.Budget.Min)}
	}
	budget, err := retry.NewBudget(b)
	require.NoError(t, err)
	c.Retry = retry.Config{Attempts: v.Route.Retry.Retries, On: []retry.Condition{retry.ServerError}, Budget: budget}
	return c
}

// orOff says zero as these configurations do, where zero is the default.
func orOff[T int | float64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

func TestLimitsRefuseWhatEnvoyRefuses(t *testing.T) {
	text, err := os.ReadFile("../conformance/testdata/envoy/circuit_breakers.json")
	require.NoError(t, err)
	var file struct{ Cases []limitsVector }
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Cases)
	for _, v := range file.Cases {
		t.Run(v.ID, func(t *testing.T) { synctest.Test(t, v.play) })
	}
}

func (v limitsVector) play(t *testing.T) {
	s := servePipes(t, stub(t, v.Upstream))
	c := v.config(t)
	c.Dial = s.dial
	u, err := New(c)
	require.NoError(t, err)
	defer u.Close()
	for range v.Warm {
		v.send(t, u)
	}
	var wait sync.WaitGroup
	for _, want := range v.Requests {
		wait.Go(func() {
			status, attempts, details := v.send(t, u)
			require.Equal(t, want.Status, status, "request %d", want.N)
			require.Equal(t, want.Attempts, attempts, "request %d", want.N)
			require.Equal(t, want.Details, details, "request %d", want.N)
		})
		time.Sleep(12 * time.Millisecond)
	}
	wait.Wait()
	stats := u.Stats()
	require.EqualValues(t, v.Stats["upstream_rq_pending_overflow"]+v.Stats["upstream_rq_active_overflow"], stats.Limits.Overflows)
	switch {
	case v.Stats["upstream_rq_active_overflow"] > 0:
		require.EqualValues(t, 1, stats.Connections.Opened, "none is opened for a request that is refused anyway, as Envoy does")
	case v.Route.Retry != nil:
		require.LessOrEqual(t, float64(stats.Connections.Opened), v.Stats["upstream_cx_total"], "Envoy loses some to retries")
	default:
		require.EqualValues(t, v.Stats["upstream_cx_total"], stats.Connections.Opened)
	}
	require.EqualValues(t, v.Stats["upstream_rq_retry"], stats.Retries.Retries)
}

func (v limitsVector) send(t *testing.T, u *Upstream) (status, attempts int, details string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://svc/", nil)
	require.NoError(t, err)
	f, r := flow.Ensure(r)
	res, err := u.RoundTrip(r)
	if err != nil {
		e := mesh.AsError(err)
		require.Equal(t, mesh.Overflow, e.Flag)
		return e.Status, f.Attempts(), e.Details
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode, f.Attempts(), "via_upstream"
}

// stub answers as the vectors say: after a delay d, with status s, with header h.
func stub(t *testing.T, text string) http.HandlerFunc {
	delay, status, header := time.Duration(0), http.StatusOK, [2]string{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "d":
			delay, err = time.ParseDuration(value)
		case "s":
			status, err = strconv.Atoi(value)
		case "h":
			header[0], header[1], _ = strings.Cut(value, ":")
		}
		require.NoError(t, err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(delay)
		if header[0] != "" {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(status)
	}
}
