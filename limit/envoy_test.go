package limit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/limit"
)

// A recording is what Envoy's local rate limit filter answered to bursts and
// pauses.
type recording struct {
	ID     string
	Bucket struct {
		Interval string `json:"fill_interval"`
		Max      int    `json:"max_tokens"`
		PerFill  *int   `json:"tokens_per_fill"`
	} `json:"token_bucket"`
	Steps []struct {
		Statuses []int
		Wait     int `json:"wait_ms"`
	}
	Body    string            `json:"limited_body"`
	Headers map[string]string `json:"limited_headers"`
}

func (r recording) config(t *testing.T) limit.Config {
	interval, err := time.ParseDuration(r.Bucket.Interval)
	require.NoError(t, err)
	perFill := 1
	if r.Bucket.PerFill != nil {
		perFill = *r.Bucket.PerFill
	}
	return limit.Config{Rate: float64(perFill) / interval.Seconds(), Burst: r.Bucket.Max, Headers: true, Header: http.Header{"x-local-rate-limit": {"true"}}}
}

func TestBurstsAndPausesAreAnsweredAsByEnvoy(t *testing.T) {
	for _, c := range corpus.Cases[recording](t, "envoy/local_rate_limit") {
		t.Run(c.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := must(t, c.config(t)).Handler(http.NotFoundHandler())
				for i, step := range c.Steps {
					time.Sleep(time.Duration(step.Wait) * time.Millisecond)
					for j, want := range step.Statuses {
						w := httptest.NewRecorder()
						h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
						if want == http.StatusOK {
							want = http.StatusNotFound // of the handler
						}
						require.Equal(t, want, w.Code, "step %d, request %d", i, j)
						if want == http.StatusTooManyRequests {
							c.requireRefusal(t, w)
						}
					}
				}
			})
		})
	}
}

// requireRefusal compares an answer with the recorded one, but for that Envoy's
// name.
func (r recording) requireRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	require.Equal(t, r.Body, w.Body.String())
	for name, want := range r.Headers {
		if name != "server" {
			require.Equal(t, want, w.Header().Get(name), name)
		}
	}
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}
