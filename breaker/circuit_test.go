package breaker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

var (
	good    = mesh.Outcome{Kind: mesh.Success, Status: 200}
	bad     = mesh.Outcome{Kind: mesh.Failure, Status: 503}
	gone    = mesh.Outcome{Kind: mesh.Neutral, Status: 499}
	refused = mesh.Outcome{Kind: mesh.Local, Status: 503}
)

func mustNew(t testing.TB, c Config) *Breaker {
	t.Helper()
	b, err := New(c)
	require.NoError(t, err)
	return b
}

// try makes a request with this outcome, and reports whether it was let through.
func try(b *Breaker, o mesh.Outcome) bool {
	p, err := b.Acquire(context.Background())
	p.Done(o)
	return err == nil
}

func TestFailuresInARowOpenTheCircuitHoweverFarApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 3}})
		for range 3 {
			require.True(t, try(b, bad))
			time.Sleep(24 * time.Hour)
		}
		require.Equal(t, HalfOpen, b.Stats().State)
		require.EqualValues(t, 1, b.Stats().Trips)
	})
}

func TestASuccessBetweenFailuresStartsTheCountAgain(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 3}})
	for _, o := range []mesh.Outcome{bad, bad, good, bad, bad, good, bad, bad} {
		require.True(t, try(b, o))
	}
	require.Equal(t, Closed, b.Stats().State)
	require.True(t, try(b, bad))
	require.Equal(t, Open, b.Stats().State)
}

func TestWhatTheCallerGaveUpAndWhatWeRefusedDoesNotCount(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 3, Ratio: mesh.Percent(1), MinRequests: 1}})
	for range 1000 {
		require.True(t, try(b, gone))
		require.True(t, try(b, refused))
	}
	require.Equal(t, Closed, b.Stats().State)
}

func TestAnOpenCircuitSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 1, Open: 10 * time.Second}})
		try(b, bad)
		time.Sleep(2500 * time.Millisecond)
		_, err := b.Acquire(t.Context())
		var e *mesh.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, ErrOpen)
		require.Equal(t, mesh.Overflow, e.Flag)
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		require.Equal(t, mesh.NotSent, e.Stage)
		require.Equal(t, "8", e.Header.Get("Retry-After"))
		for range 10_000 {
			require.False(t, try(b, good))
		}
		require.EqualValues(t, 10_001, b.Stats().Refused)
		time.Sleep(7501 * time.Millisecond)
		require.True(t, try(b, good), "the first probe after the time is let through")
		require.Equal(t, Closed, b.Stats().State)
	})
}

func TestAProbeThatHangsCountsAsFailedAndFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 1, Open: time.Second}})
		try(b, bad)
		time.Sleep(time.Second + 1)
		hung, err := b.Acquire(t.Context())
		require.NoError(t, err)
		require.False(t, try(b, good), "one probe at a time")
		time.Sleep(time.Second)
		require.False(t, try(b, good), "the probe has failed")
		require.Equal(t, Open, b.Stats().State)
		time.Sleep(time.Second + 1)
		require.True(t, try(b, good), "closed within one more time of being open")
		require.Equal(t, Closed, b.Stats().State)
		hung.Done(bad)
		require.Equal(t, Closed, b.Stats().State, "the late result belongs to an earlier state")
	})
}

func TestACancelledProbeFreesItsPlaceWithoutAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 1, Open: time.Second}})
		try(b, bad)
		time.Sleep(time.Second + 1)
		for range 100 {
			require.True(t, try(b, gone))
			require.Equal(t, HalfOpen, b.Stats().State)
		}
		require.True(t, try(b, good))
		require.Equal(t, Closed, b.Stats().State)
	})
}

func TestLateFailuresOfAnEarlierStateCountNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 2, Open: time.Second}})
		var late []Permit
		for range 10 {
			p, err := b.Acquire(t.Context())
			require.NoError(t, err)
			late = append(late, p)
		}
		try(b, bad)
		try(b, bad)
		time.Sleep(time.Second + 1)
		try(b, good)
		require.Equal(t, Closed, b.Stats().State)
		for _, p := range late {
			p.Done(bad)
		}
		require.Equal(t, Closed, b.Stats().State)
	})
}

func TestAChangedFunctionMayCallAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Breaker
		var told []string
		b = mustNew(t, Config{Name: "reviews", Trip: Trip{Consecutive: 1, Open: time.Second}, Changed: func(c Change) {
			told = append(told, fmt.Sprintf("%s %s>%s: %s", c.Name, c.From, c.To, c.Cause))
			b.Stats()
			for range b.Changes() {
			}
			try(b, good)
			require.NoError(t, b.Update(Config{Trip: Trip{Consecutive: 1, Open: time.Second}}))
		}})
		try(b, bad)
		time.Sleep(time.Second + 1)
		try(b, good)
		require.Equal(t, []string{
			"reviews closed>open: a failure",
			"reviews open>half-open: it was open for 1s",
			"reviews half-open>closed: a probe succeeded",
		}, told)
	})
}

func TestAPanicInAChangedFunctionReachesTheCallerAndBreaksNothing(t *testing.T) {
	boom := true
	b := mustNew(t, Config{Trip: Trip{Consecutive: 1}, Changed: func(Change) {
		if boom {
			panic("boom")
		}
	}})
	require.PanicsWithValue(t, "boom", func() { try(b, bad) })
	boom = false
	require.False(t, try(b, good))
	require.Equal(t, Open, b.Stats().State)
}

func TestADryRunCountsAndRefusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 2, Open: time.Second}, DryRun: true})
		for range 10 {
			require.True(t, try(b, bad))
		}
		require.EqualValues(t, 8, b.Stats().Refused)
		time.Sleep(time.Second + 1)
		require.True(t, try(b, good))
		require.Equal(t, Closed, b.Stats().State)
	})
}

func TestAnUpdateKeepsWhatWasCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Trip: Trip{Consecutive: 3, Open: time.Second}})
		try(b, bad)
		try(b, bad)
		require.NoError(t, b.Update(Config{Trip: Trip{Consecutive: 3, Open: 5 * time.Second}}))
		require.Equal(t, Closed, b.Stats().State)
		try(b, bad)
		require.Equal(t, Open, b.Stats().State)

		require.NoError(t, b.Update(Config{Trip: Trip{Consecutive: 3, Open: 20 * time.Second, Probes: 2}}))
		require.Equal(t, Open, b.Stats().State)
		time.Sleep(19 * time.Second)
		require.False(t, try(b, good))
		time.Sleep(time.Second + 1)
		require.True(t, try(b, good))
		require.Equal(t, HalfOpen, b.Stats().State)
		require.True(t, try(b, good))
		require.Equal(t, Closed, b.Stats().State)
		require.Len(t, slices.Collect(b.Changes()), 3)

		require.NoError(t, b.Update(Config{}))
		for range 100 {
			require.True(t, try(b, bad))
		}
	})
}

func TestABadUpdateChangesNothing(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 1}, Limits: LimitsConfig{MaxRequests: 1}})
	require.Error(t, b.Update(Config{Trip: Trip{Consecutive: 5}, Limits: LimitsConfig{MaxRequests: -1}}))
	try(b, bad)
	require.Equal(t, Open, b.Stats().State)
}

func TestProblemsAreReportedAllAtOnce(t *testing.T) {
	_, err := New(Config{
		Trip:     Trip{Ratio: mesh.Percent(101), SlowerThan: time.Second, Open: -1, Window: -1},
		Limits:   LimitsConfig{MaxConnections: -1, MaxRequests: -1},
		Adaptive: Adaptive{Max: 10, Min: 11, Initial: 12, Tolerance: 0.5, Sample: -1},
		MaxKeys:  3,
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.ElementsMatch(t, []string{
		"breaker.Trip.Ratio", "breaker.Trip.SlowRatio", "breaker.Trip.Open", "breaker.Trip.Window",
		"breaker.Limits.MaxConnections", "breaker.Limits.MaxRequests",
		"breaker.Adaptive.Min", "breaker.Adaptive.Initial", "breaker.Adaptive.Tolerance", "breaker.Adaptive.Sample",
		"breaker.MaxKeys",
	}, fields)

	_, err = New(Config{Trip: Trip{Open: time.Second, Probes: 2}, Key: PerEndpoint, DryRun: true, Adaptive: Adaptive{Min: 2}})
	fields = nil
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.ElementsMatch(t, []string{"breaker.Trip.Open", "breaker.Trip.Probes", "breaker.Key", "breaker.DryRun", "breaker.Adaptive.Max"}, fields)
}

func TestEveryKeyHasACircuitOfItsOwn(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 2}, Key: PerEndpoint})
	layer := b.Transport(answer(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "a:80" {
			return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}))
	send := func(host string) error {
		r, _ := http.NewRequest(http.MethodGet, "http://"+host+"/", nil)
		_, err := layer.RoundTrip(r)
		return err
	}
	for range 2 {
		require.NoError(t, send("a:80"))
	}
	require.ErrorIs(t, send("a:80"), ErrOpen)
	require.NoError(t, send("b:80"))
	require.Equal(t, []string{"a:80"}, b.Stats().OpenKeys)
	require.Equal(t, Closed, b.Stats().State)
}

func TestKeysAreBounded(t *testing.T) {
	key := ""
	b := mustNew(t, Config{Trip: Trip{Consecutive: 2}, MaxKeys: 1000, Key: func(*http.Request) (string, bool) { return key, true }})
	r, _ := http.NewRequest(http.MethodGet, "http://a/", nil)
	var before, after runtime.MemStats
	for i := range 200_000 {
		if i == 10_000 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		key = fmt.Sprint(i)
		b.circuitFor(r)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Equal(t, 1000, b.Stats().Keys)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))

	key = "199999"
	first := b.circuitFor(r)
	require.Same(t, first, b.circuitFor(r))
}

func TestKeysNotUsedForLongGoWhenOneComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := "old"
		b := mustNew(t, Config{Trip: Trip{Consecutive: 2}, Key: func(*http.Request) (string, bool) { return key, true }})
		r, _ := http.NewRequest(http.MethodGet, "http://a/", nil)
		b.circuitFor(r)
		time.Sleep(keyIdle)
		key = "new"
		b.circuitFor(r)
		require.Equal(t, 1, b.Stats().Keys)
	})
}

func TestManyGoroutinesOpenProbeAndClose(t *testing.T) {
	b := mustNew(t, Config{
		Trip:    Trip{Consecutive: 5, Ratio: mesh.Percent(90), MinRequests: 50, Open: time.Millisecond, Probes: 2},
		Limits:  LimitsConfig{MaxConnections: 8, MaxPending: 40, MaxRequests: 7},
		Changed: func(c Change) { require.NotEqual(t, c.From, c.To) },
	})
	var wait sync.WaitGroup
	for i := range 64 {
		wait.Go(func() {
			for n := range 500 {
				ctx, cancel := context.WithCancelCause(context.Background())
				if n%7 == 0 {
					cancel(errors.New("gone"))
				}
				p, err := b.Acquire(ctx)
				if err == nil {
					o := good
					if n/100%2 == 0 && i%8 != 0 {
						o = bad
					}
					p.Done(o)
				}
				cancel(nil)
			}
		})
	}
	wait.Wait()
	s := b.Stats()
	require.Zero(t, s.Connections)
	require.Zero(t, s.Pending)
	require.Zero(t, s.Requests)
	last := Closed
	for c := range b.Changes() {
		if s.Trips < 50 {
			require.Equal(t, last, c.From)
			last = c.To
		}
	}
}

type answer func(*http.Request) (*http.Response, error)

func (f answer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
