package retry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/retry"
)

func answered(n, status int) retry.Attempt {
	res := &http.Response{StatusCode: status, Header: http.Header{}}
	return retry.Attempt{N: n, Answer: res, Outcome: mesh.Outcome{Status: status}}
}

func failedWith(n int, err error) retry.Attempt {
	return retry.Attempt{N: n, Outcome: mesh.Outcome{Kind: mesh.Failure, Err: err}}
}

func TestADecisionTellsWhy(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	with := func(a retry.Attempt, change func(*retry.Attempt)) retry.Attempt {
		change(&a)
		return a
	}
	for name, tt := range map[string]struct {
		config retry.Config
		a      retry.Attempt
		again  bool
		why    string
	}{
		"a success":              {retry.Config{}, answered(1, 200), false, ""},
		"a status not asked for": {retry.Config{}, answered(1, 503), false, ""},
		"a status asked for":     {retry.Config{Statuses: []int{503}}, answered(1, 503), true, "retriable-status-codes: 503"},
		"a refused connection":   {retry.Config{}, failedWith(1, refused), true, "connect-failure: dial: connection refused"},
		"the last attempt":       {retry.Config{}, failedWith(2, refused), false, "connect-failure: dial: connection refused, but no attempt is left"},
		"a POST that may have been acted on": {
			retry.Config{}, with(failedWith(1, errors.New("lost")), func(a *retry.Attempt) { a.Method = "POST" }), false,
			"reset: lost, but the request may have been acted on and is not idempotent",
		},
		"a POST that was not sent": {
			retry.Config{}, with(failedWith(1, refused), func(a *retry.Attempt) { a.Method = "POST" }), true,
			"connect-failure: dial: connection refused",
		},
		"an overloaded server": {
			retry.Config{Statuses: []int{503}},
			with(answered(1, 503), func(a *retry.Attempt) { a.Answer.Header.Set("x-envoy-overloaded", "true") }), false,
			"retriable-status-codes: 503, but the server is overloaded",
		},
		"a wish for too long a wait": {
			retry.Config{Statuses: []int{503}},
			with(answered(1, 503), func(a *retry.Attempt) { a.Answer.Header.Set("Retry-After", "3600") }), false,
			"retriable-status-codes: 503, but to wait 1h0m0s is too long",
		},
		"a request without the header": {
			retry.Config{RequestHeaders: []retry.HeaderMatch{{Name: "x-allow"}}}, failedWith(1, refused), false,
			"connect-failure: dial: connection refused, but the request has none of the headers that retries are for",
		},
		"a caller that left": {
			retry.Config{}, retry.Attempt{N: 1, Outcome: mesh.Outcome{Kind: mesh.Neutral, Err: refused}}, false, "",
		},
		"no retries": {retry.Config{Attempts: -1}, failedWith(1, refused), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustNew(t, tt.config).Decide(tt.a, 0)
			require.Equal(t, tt.again, d.Again)
			require.Equal(t, tt.why, d.Why)
			require.Equal(t, strings.HasSuffix(tt.why, "no attempt is left"), d.Exhausted)
		})
	}
}

// TestWaitsAreThoseOfEnvoy compares with gaps that were measured: they include
// the way, and a busy machine now and then, hence the tenth and the ninetieth
// percentile besides bounds.
func TestWaitsAreThoseOfEnvoy(t *testing.T) {
	data, err := os.ReadFile("../conformance/testdata/envoy/retry_backoff.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			ID     string
			BaseMs int `json:"base_ms"`
			MaxMs  int `json:"max_ms"`
			Gaps   []struct {
				Retry  int
				MeanMs float64 `json:"mean_ms"`
				P10Ms  float64 `json:"p10_ms"`
				P90Ms  float64 `json:"p90_ms"`
				MaxMs  float64 `json:"max_ms"`
				MinMs  float64 `json:"min_ms"`
			}
			Upstream string
			Policy   struct {
				RateLimited *struct {
					MaxInterval string `json:"max_interval"`
				} `json:"rate_limited_retry_back_off"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			config := envoyConfig()
			config.Attempts = 6
			config.On = []retry.Condition{retry.ServerError}
			ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
			if c.ID != "default" { // the default is to be that of the zero Config
				config.Backoff = retry.Backoff{Base: ms(float64(c.BaseMs)), Max: ms(float64(c.MaxMs))}
			}
			header := http.Header{}
			if limited := c.Policy.RateLimited; limited != nil {
				config.MaxRetryAfter, err = time.ParseDuration(limited.MaxInterval)
				require.NoError(t, err)
				config.IgnoreLongWishes = true
				_, after, _ := strings.Cut(c.Upstream, "retry-after:")
				header.Set("Retry-After", after)
			}
			policy := mustNew(t, config)
			draws := rand.New(rand.NewPCG(5, 6))
			const n = 20_000
			for _, gap := range c.Gaps {
				var sum, least, most float64 = 0, math.Inf(1), 0
				for range n {
					a := answered(gap.Retry, 503)
					a.Answer.Header = header
					d := policy.Decide(a, draws.Uint64())
					require.True(t, d.Again)
					wait := float64(d.Wait) / float64(time.Millisecond)
					sum, least, most = sum+wait, min(least, wait), max(most, wait)
				}
				require.InEpsilon(t, gap.MeanMs, sum/n, 0.2, "retry %d", gap.Retry)
				require.Less(t, least, gap.P10Ms)
				require.Greater(t, most, gap.P90Ms)
				require.Less(t, most, 1.1*gap.MaxMs)
			}
		})
	}
}

// The interval doubles and stays below its cap; a wait is below the interval
// whatever the draw, and proportional to it.
func TestWaitsGrow(t *testing.T) {
	policy := mustNew(t, retry.Config{Attempts: 100, Backoff: retry.Backoff{Base: 40 * time.Millisecond, Max: 100 * time.Millisecond}})
	err := errors.New("lost")
	for n, interval := range map[int]time.Duration{1: 40, 2: 80, 3: 100, 4: 100, 99: 100} {
		interval *= time.Millisecond
		require.Zero(t, policy.Decide(failedWith(n, err), 0).Wait)
		require.Equal(t, interval/2, policy.Decide(failedWith(n, err), 1<<63).Wait)
		most := policy.Decide(failedWith(n, err), math.MaxUint64).Wait
		require.Less(t, most, interval)
		require.Greater(t, most, interval-time.Microsecond)
	}
}

func TestConfigReportsEverythingThatIsWrong(t *testing.T) {
	_, err := retry.New(retry.Config{
		On:             []retry.Condition{retry.Reset, "often"},
		Statuses:       []int{503, 600, -1},
		PerTry:         -time.Second,
		Backoff:        retry.Backoff{Base: time.Second, Max: time.Millisecond},
		HostPicks:      -1,
		AnswerHeaders:  []retry.HeaderMatch{{}},
		Hedge:          retry.Hedge{After: -1, Quantile: 1, Max: -1},
		RequestHeaders: []retry.HeaderMatch{{Name: "x"}, {Value: "y"}},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{
		"retry.On[1]", "retry.Statuses[1]", "retry.Statuses[2]", "retry.AnswerHeaders[0].Name", "retry.RequestHeaders[1].Name", "retry.PerTry",
		"retry.Backoff.Max", "retry.HostPicks", "retry.Hedge.After", "retry.Hedge.Quantile", "retry.Hedge.Max",
	}, fields)

	_, err = retry.NewBudget(retry.BudgetConfig{Percent: math.NaN(), PerSecond: math.NaN(), TTL: -1, MaxConcurrent: 1, MinConcurrent: 1})
	fields = nil
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"retry.Percent", "retry.PerSecond", "retry.TTL", "retry.MaxConcurrent", "retry.MinConcurrent"}, fields)
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	policy := mustNew(t, retry.Config{Statuses: []int{503}})
	require.Error(t, policy.Update(retry.Config{Statuses: []int{404, 1000}}))
	require.True(t, policy.Decide(answered(1, 503), 0).Again)
	require.NoError(t, policy.Update(retry.Config{Statuses: []int{404}}))
	require.False(t, policy.Decide(answered(1, 503), 0).Again)
	require.True(t, policy.Decide(answered(1, 404), 0).Again)
}

func TestParseOn(t *testing.T) {
	for text, want := range map[string]struct {
		on       []retry.Condition
		statuses []int
		unknown  []string
	}{
		"":                            {},
		"5xx":                         {on: []retry.Condition{retry.ServerError}},
		"5xx,reset , connect-failure": {on: []retry.Condition{retry.ServerError, retry.Reset, retry.ConnectFailure}},
		"503":                         {on: []retry.Condition{retry.StatusCodes}, statuses: []int{503}},
		"retriable-status-codes,503,429": {
			on: []retry.Condition{retry.StatusCodes}, statuses: []int{503, 429},
		},
		"unavailable,cancelled":      {on: []retry.Condition{retry.Unavailable, retry.Cancelled}},
		"5xx,often,600,":             {unknown: []string{"often", "600", ""}},
		"5XX":                        {unknown: []string{"5XX"}},
		"http3-post-connect-failure": {on: []retry.Condition{retry.HTTP3Connect}},
	} {
		t.Run(text, func(t *testing.T) {
			on, statuses, err := retry.ParseOn(text)
			require.Equal(t, want.on, on)
			require.Equal(t, want.statuses, statuses)
			var unknown []string
			for p := range mesh.Problems(err) {
				unknown = append(unknown, p.Value.(string))
			}
			require.Equal(t, want.unknown, unknown)
		})
	}
}

// What ParseOn accepts makes a policy, and is read the same when written again.
func FuzzParseOn(f *testing.F) {
	f.Add("5xx,reset, 503")
	f.Add("unavailable,,")
	f.Add("+503,0404")
	f.Fuzz(func(t *testing.T, text string) {
		on, statuses, err := retry.ParseOn(text)
		if err != nil {
			require.Empty(t, on)
			return
		}
		_, err = retry.New(retry.Config{On: on, Statuses: statuses})
		require.NoError(t, err)
		var words []string
		for _, c := range on {
			words = append(words, string(c))
		}
		for _, s := range statuses {
			words = append(words, fmt.Sprint(s))
		}
		again, againStatuses, err := retry.ParseOn(strings.Join(words, ","))
		require.NoError(t, err)
		require.Equal(t, on, again)
		require.Equal(t, statuses, againStatuses)
	})
}
