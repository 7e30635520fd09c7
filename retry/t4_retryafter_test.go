package retry_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

// TestT4 plays an answer that asks for a wait, and says when and with what the
// request ended. Inside a bubble time begins on a full second.
func TestT4RetryAfter(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, tt := range []struct {
		name     string
		status   int
		header   string
		values   func() []string
		deadline time.Duration
		config   retry.Config
		want     int // the status in the end
		from, to time.Duration
	}{
		{name: "seconds", values: is("1"), want: 200, from: time.Second, to: 1500 * time.Millisecond},
		{name: "seconds on a 429", status: 429, values: is("1"), want: 200, from: time.Second, to: 1500 * time.Millisecond},
		{name: "none at all", values: is("0"), want: 200},
		{name: "a date", values: func() []string { return []string{at(time.Second)} }, want: 200, from: time.Second, to: 1500 * time.Millisecond},
		{name: "a date in the past", values: func() []string { return []string{at(-time.Hour)} }, want: 200},
		{name: "longer than the cap", values: is("3600"), want: 503},
		{name: "longer than can be told", values: is("99999999999999999999"), want: 503},
		{name: "at the cap", values: is("30"), want: 200, from: 30 * time.Second, to: 45 * time.Second},
		{name: "garbage", values: is("soon"), want: 200, to: 25 * time.Millisecond},
		{name: "negative", values: is("-1"), want: 200, to: 25 * time.Millisecond},
		{name: "two values", values: is("1", "3600"), want: 200, from: time.Second, to: 1500 * time.Millisecond},
		{name: "an hour, with a deadline of 2 s", status: 429, values: is("3600"), deadline: 2 * time.Second, want: 429},
		{name: "5 s, with a deadline of 2 s", values: is("5"), deadline: 2 * time.Second, want: 503},
		{name: "1 s, with a deadline of 2 s", values: is("1"), deadline: 2 * time.Second, want: 200, from: time.Second, to: 1500 * time.Millisecond},
		{name: "with a status that cannot ask", status: 500, values: is("10"), want: 200, to: 25 * time.Millisecond},
		{name: "with a cap of its own", values: is("90"), config: retry.Config{MaxRetryAfter: 2 * time.Minute}, want: 200, from: 90 * time.Second, to: 135 * time.Second},
		{name: "not heeded", values: is("10"), config: retry.Config{MaxRetryAfter: -1}, want: 200, to: 25 * time.Millisecond},
		{name: "too long and passed over, as by Envoy", values: is("3600"), config: retry.Config{IgnoreLongWishes: true}, want: 200, to: 25 * time.Millisecond},
		{name: "X-RateLimit-Reset in seconds", status: 429, header: "X-Ratelimit-Reset", values: is("4"), want: 200, from: 4 * time.Second, to: 6 * time.Second},
		{name: "X-RateLimit-Reset as a time", status: 429, header: "X-Ratelimit-Reset", values: func() []string {
			return []string{strconv.FormatInt(time.Now().Unix()+4, 10)}
		}, want: 200, from: 4 * time.Second, to: 6 * time.Second},
		{name: "X-RateLimit-Reset as a time that has passed", status: 429, header: "X-Ratelimit-Reset", values: func() []string {
			return []string{strconv.FormatInt(time.Now().Unix()+0, 10)}
		}, want: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, header := tt.status, tt.header
				if status == 0 {
					status = 503
				}
				if header == "" {
					header = "Retry-After"
				}
				upstream := meshtest.NewUpstream(
					meshtest.Reply{Status: status, Header: http.Header{header: tt.values()}, Body: "later"},
					meshtest.Reply{},
				)
				tt.config.On = []retry.Condition{retry.ServerError}
				tt.config.Statuses = []int{429}
				ctx := context.Background()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				res, err := mustNew(t, tt.config).Transport(upstream).RoundTrip(request(t, "GET", "").WithContext(ctx))
				took := time.Since(start)
				require.NoError(t, err)
				require.Equal(t, tt.want, res.StatusCode)
				if tt.want == status {
					body, err := io.ReadAll(res.Body)
					require.NoError(t, err)
					require.Equal(t, "later", string(body))
				}
				require.GreaterOrEqual(t, took, tt.from)
				require.LessOrEqual(t, took, tt.to)
			})
		})
	}
}

func is(values ...string) func() []string { return func() []string { return values } }

// A wait of our own for which no time is left is not begun, unless the policy is
// to do as Envoy does.
func TestAWaitNeverOutlastsTheRequest(t *testing.T) {
	slow := retry.Backoff{Base: time.Hour, Max: time.Hour}
	t.Run("the answer is returned at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			start := time.Now()
			policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: slow})
			res, err := policy.Transport(meshtest.NewUpstream(meshtest.Reply{Status: 503})).RoundTrip(request(t, "GET", "").WithContext(ctx))
			require.NoError(t, err)
			require.Equal(t, 503, res.StatusCode)
			require.Zero(t, time.Since(start))
		})
	})
	t.Run("the bound ends the wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			over := timeoutError()
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, over)
			defer cancel()
			start := time.Now()
			policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: slow, WaitOut: true})
			f, r := flow.Ensure(request(t, "GET", "").WithContext(ctx))
			res, err := policy.Transport(meshtest.NewUpstream(meshtest.Reply{Status: 503})).RoundTrip(r)
			require.Nil(t, res)
			requireTimeout(t, err)
			require.Empty(t, f.Tell().Flags)
			require.Equal(t, time.Second, time.Since(start))
		})
	})
	t.Run("the caller ends the wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			enough := io.ErrNoProgress
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(enough) })
			policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: slow})
			_, err := policy.Transport(meshtest.NewUpstream(meshtest.Reply{Status: 503})).RoundTrip(request(t, "GET", "").WithContext(ctx))
			require.ErrorIs(t, err, enough)
			requireGone(t, err)
		})
	})
}
