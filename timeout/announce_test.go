package timeout

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// attempts repeats a request three times as a retry layer would: each attempt has
// 100 ms and uses them up.
func attempts(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (res *http.Response, err error) {
		f, r := flow.Ensure(r)
		for n := range 3 {
			ctx, cancel := context.WithTimeout(f.Context, 100*time.Millisecond)
			defer cancel()
			try, attempt := f.Next(ctx, r, n+1)
			try.Begin()
			res, err = next.RoundTrip(attempt)
			if f.Context.Err() != nil {
				break
			}
		}
		return res, err
	})
}

func TestEachAttemptTellsItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		rt := mesh.Chain(bounded(t, Config{Total: 250 * time.Millisecond}).Transport, attempts, Announce)(roundTripper(func(r *http.Request) (*http.Response, error) {
			told = append(told, r.Header.Get(expectedHeader))
			return waiting{}.RoundTrip(r)
		}))
		_, err := send(t.Context(), rt, nil)
		requireExpired(t, err)
		require.Equal(t, []string{"100", "100", "50"}, told)
	})
}

func TestWhatIsTold(t *testing.T) {
	for _, c := range []struct {
		name   string
		total  time.Duration
		caller time.Duration // the caller's own deadline
		try    time.Duration // a bound on the attempt that is no deadline of its context
		body   io.Reader
		want   string
	}{
		{name: "nothing", want: ""},
		{name: "the bound", total: 300 * time.Millisecond, want: "300"},
		{name: "the bound, with a body that has not ended", total: 300 * time.Millisecond, body: strings.NewReader("x"), want: "300"},
		{name: "the caller's deadline", caller: 200 * time.Millisecond, want: "200"},
		{name: "the caller's deadline below the bound", total: 300 * time.Millisecond, caller: 200 * time.Millisecond, want: "200"},
		{name: "the same with a body", total: 300 * time.Millisecond, caller: 200 * time.Millisecond, body: strings.NewReader("x"), want: "200"},
		{name: "the attempt's", total: 300 * time.Millisecond, try: 50 * time.Millisecond, want: "50"},
		{name: "parts of a millisecond count as one", total: 1500 * time.Microsecond, want: "2"},
		{name: "never less than one", total: time.Nanosecond, want: "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.caller)
					defer cancel()
				}
				var told string
				rt := mesh.Chain(
					bounded(t, Config{Total: c.total}).Transport,
					func(next http.RoundTripper) http.RoundTripper {
						return roundTripper(func(r *http.Request) (*http.Response, error) {
							if c.try > 0 {
								flow.TryOf(r).Told = &flow.Told{Bounded: time.Since(flow.Of(r).Start) + c.try}
							}
							return next.RoundTrip(r)
						})
					},
					Announce,
				)(roundTripper(func(r *http.Request) (*http.Response, error) {
					told = r.Header.Get(expectedHeader)
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				}))
				_, err := send(ctx, rt, c.body)
				require.NoError(t, err)
				require.Equal(t, c.want, told)
			})
		})
	}
}

func TestARepeatedBodyHasUsedUpTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: time.Second}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(300 * time.Millisecond)
			_, again := flow.Of(r).Next(r.Context(), r, 2)
			require.Equal(t, 700*time.Millisecond, remaining(again).Duration)
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))
		_, err := send(t.Context(), rt, strings.NewReader("x"))
		require.NoError(t, err)
	})
}

func TestAGRPCTimeoutIsNeverMadeLonger(t *testing.T) {
	for has, want := range map[string]string{"": "300m", "1S": "300m", "100m": "100m", "100000u": "100m", "bad": "300m"} {
		synctest.Test(t, func(t *testing.T) {
			var told http.Header
			rt := mesh.Chain(bounded(t, Config{Total: 300 * time.Millisecond, GRPC: true}).Transport, Announce)(roundTripper(func(r *http.Request) (*http.Response, error) {
				told = r.Header
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}))
			_, err := rt.RoundTrip(grpcRequest(t, has))
			require.NoError(t, err)
			require.Equal(t, want, told.Get(grpcHeader))
			require.Equal(t, strings.TrimSuffix(want, "m"), told.Get(expectedHeader))
		})
	}
}

func TestAGRPCTimeoutThatDoesNotCountIsNotMadeLongerEither(t *testing.T) {
	for has, want := range map[string]string{"": "300m", "1S": "300m", "100m": "100m", "bad": "300m", "0m": "300m"} {
		synctest.Test(t, func(t *testing.T) {
			var told http.Header
			rt := mesh.Chain(bounded(t, Config{Total: 300 * time.Millisecond}).Transport, Announce)(roundTripper(func(r *http.Request) (*http.Response, error) {
				told = r.Header
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}))
			_, err := rt.RoundTrip(grpcRequest(t, has))
			require.NoError(t, err)
			require.Equal(t, want, told.Get(grpcHeader), has)
			require.Equal(t, "300", told.Get(expectedHeader))
		})
	}
}

func TestTheLongestTimeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told http.Header
		rt := mesh.Chain(bounded(t, Config{GRPC: true}).Transport, Announce)(roundTripper(func(r *http.Request) (*http.Response, error) {
			told = r.Header
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))
		_, err := rt.RoundTrip(grpcRequest(t, "99999999H"))
		require.NoError(t, err)
		require.Equal(t, "2562047H", told.Get(grpcHeader))
	})
}

// TestThreeServicesShareOneTime: each service takes some of the time before it
// calls the next, and the last one sees what is left.
func TestThreeServicesShareOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make([]time.Duration, 3)
		expected := make([]string, 3)
		var next http.RoundTripper
		for i := 2; i >= 0; i-- {
			onward := next
			service := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				deadline, _ := r.Context().Deadline()
				left[i], expected[i] = time.Until(deadline), r.Header.Get(expectedHeader)
				sleep(r, 100*time.Millisecond)
				if onward == nil {
					sleep(r, time.Hour)
					return
				}
				_, _ = send(r.Context(), onward, nil) // fails when the first caller gives up
			})
			server := bounded(t, Config{Total: 10 * time.Second, Honor: anybody}).Handler(service)
			client := bounded(t, Config{Total: 5 * time.Second})
			next = mesh.Chain(client.Transport, Announce)(pipes(t, server))
		}
		// All give up in the same instant, and who is first does not matter here.
		start := time.Now()
		res, err := send(t.Context(), bounded(t, Config{Total: 500 * time.Millisecond}).Transport(next), nil)
		if err == nil {
			require.NoError(t, res.Body.Close())
		}
		require.Equal(t, 500*time.Millisecond, time.Since(start))
		require.Equal(t, []time.Duration{500 * time.Millisecond, 400 * time.Millisecond, 300 * time.Millisecond}, left)
		require.Equal(t, []string{"500", "400", "300"}, expected)
	})
}

func TestARequestWithTooLittleTimeIsRefused(t *testing.T) {
	served := false
	h := bounded(t, Config{Total: time.Second, Floor: 10 * time.Millisecond, GRPC: true, Honor: anybody}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
	for _, c := range []struct {
		ms     int
		served bool
	}{{1, false}, {9, false}, {10, true}, {5000, true}} {
		served = false
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set(expectedHeader, strconv.Itoa(c.ms))
		h.ServeHTTP(w, r)
		require.Equal(t, c.served, served, "%d ms", c.ms)
		if !c.served {
			require.Equal(t, 504, w.Code)
			require.Equal(t, "upstream request timeout", w.Body.String())
		}
	}
	served = false
	w := httptest.NewRecorder()
	h.ServeHTTP(w, grpcRequest(t, "0m"))
	require.False(t, served)
	require.Equal(t, 200, w.Code)
	require.Equal(t, "14", w.Header().Get("Grpc-Status"))
	require.Equal(t, mesh.NotSent, tooLate(0, 0).Stage)
}
