package traffic

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var began = time.Unix(1_000_000, 0)

func TestRatesAreThoseOfTheLastWindow(t *testing.T) {
	c := New(100, began)
	k := Key{Host: "reviews", Route: "jason", Upstream: "v1"}
	for i := range 100 {
		c.Add(k, began.Add(time.Duration(i)*100*time.Millisecond), 10*time.Millisecond, i%4 == 0)
	}
	at := func(after time.Duration) *Rate { return c.Rates(began.Add(after))[k] }
	f := at(10 * time.Second)
	require.EqualValues(t, 100, f.Total)
	require.EqualValues(t, 25, f.Failed)
	require.InDelta(t, 10, f.PerSecond, 0.01)
	require.InDelta(t, 25, f.ErrorPct, 0.01)
	require.InDelta(t, 10*time.Millisecond, f.P50, float64(2*time.Millisecond))
	require.InDelta(t, 100.0/28, at(28*time.Second).PerSecond, 0.01, "the window is 28 s by now")
	require.InDelta(t, 50.0/25, at(30*time.Second).PerSecond, 0.01, "the first five seconds are gone")
	f = at(time.Minute)
	require.Zero(t, f.PerSecond)
	require.Zero(t, f.P99)
	require.EqualValues(t, 100, f.Total, "but the count stays")
}

func TestCountsAreExactUnderConcurrency(t *testing.T) {
	c := New(1000, began)
	const workers, each, keys = 8, 5000, 37
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				c.Add(Key{Upstream: fmt.Sprint((i + w) % keys)}, began.Add(time.Duration(i)*time.Millisecond), time.Millisecond, i%10 == 0)
			}
		})
	}
	all.Go(func() {
		for range 50 {
			c.Rates(began.Add(time.Second))
		}
	})
	all.Wait()
	var total, failed, count uint64
	for _, f := range c.Rates(began.Add(5 * time.Second)) {
		total += f.Total
		failed += f.Failed
		count += uint64(f.Count)
	}
	require.EqualValues(t, workers*each, total)
	require.EqualValues(t, workers*each/10, failed)
	require.EqualValues(t, workers*each, count)
}

func TestSeriesAreBounded(t *testing.T) {
	c := New(64, began)
	const names = 10_000
	for i := range names {
		c.Add(Key{Host: fmt.Sprint(i)}, began, time.Millisecond, false)
	}
	kept := 0
	for i := range c.shards {
		kept += len(c.shards[i].series)
	}
	require.LessOrEqual(t, kept, 64+shards)
	total := uint64(0)
	for _, f := range c.Rates(began) {
		total += f.Total
	}
	require.EqualValues(t, names, total, "what has no room is counted together")
	require.NotNil(t, c.Rates(began)[others])

	later := began.Add(time.Minute)
	for i := range 32 {
		c.Add(Key{Host: fmt.Sprint("new ", i)}, later, time.Millisecond, false)
	}
	fresh := 0
	for k := range c.Rates(later) {
		if len(k.Host) > 4 && k.Host[:4] == "new " {
			fresh++
		}
	}
	require.GreaterOrEqual(t, fresh, 24, "names without traffic have made room")
}

func TestALateRequestDoesNotEraseWhatCameSince(t *testing.T) {
	c := New(10, began)
	k := Key{Host: "a"}
	c.Add(k, began.Add(slots*slotTime), time.Millisecond, false)
	c.Add(k, began, time.Millisecond, false)
	f := c.Rates(began.Add(slots * slotTime))[k]
	require.EqualValues(t, 2, f.Total)
	require.EqualValues(t, 2, f.Count)
}

func TestWhatEndedBeforeCountingBeganIsCounted(t *testing.T) {
	c := New(100, began)
	k := Key{Host: "reviews"}
	c.Add(k, time.Time{}, time.Millisecond, false) // nobody said when
	c.Add(k, began.Add(-time.Minute), time.Millisecond, true)
	f := c.Rates(began)[k]
	require.EqualValues(t, 2, f.Total)
	require.EqualValues(t, 1, f.Failed)
}
