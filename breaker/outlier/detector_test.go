package outlier_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
)

var failure = mesh.Outcome{Kind: mesh.Failure, Status: 503}

func TestEveryProblemOfAConfigIsReported(t *testing.T) {
	_, err := outlier.New(outlier.Config{
		Interval: -1, BaseEjection: -1, Jitter: -1, MaxEjected: mesh.Percent(101), ConsecutiveLocal: 3,
		SuccessRate: outlier.SuccessRate{Deviations: -1}, FailureShare: outlier.FailureShare{Share: mesh.Percent(-1)},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.ElementsMatch(t, []string{
		"outlier.Interval", "outlier.BaseEjection", "outlier.Jitter", "outlier.MaxEjected", "outlier.ConsecutiveLocal",
		"outlier.SuccessRate.Deviations", "outlier.FailureShare.Share",
	}, fields)
}

func TestAHostReturnsWithoutAnyRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Always, BaseEjection: 30 * time.Second})
		defer d.Close()
		d.Observe(hosts[0], failure)
		_, err := b.Pick(lb.Query{})
		require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		lease, err := b.Pick(lb.Query{})
		require.NoError(t, err)
		lease.Done(mesh.Outcome{Status: 200})
	})
}

func TestTheSecondEjectionNeedsNoMoreFailuresThanTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 3, MaxEjected: mesh.Always})
		defer d.Close()
		for range 2 {
			for n := range 3 {
				require.False(t, hosts[0].Ejected(), "after %d", n)
				d.Observe(hosts[0], failure)
			}
			require.True(t, hosts[0].Ejected())
			time.Sleep(5 * time.Minute)
			synctest.Wait()
		}
		require.EqualValues(t, 2, d.Stats().Enforced)
	})
}

func TestNeutralAndLocalOutcomesDoNotCount(t *testing.T) {
	d, _, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Always})
	d.Observe(hosts[0], failure)
	for _, kind := range []mesh.Kind{mesh.Neutral, mesh.Local} {
		for range 1000 {
			d.Observe(hosts[0], mesh.Outcome{Kind: kind, Status: 503})
		}
	}
	require.False(t, hosts[0].Ejected())
	d.Observe(hosts[0], failure)
	require.True(t, hosts[0].Ejected(), "they do not begin the count anew either")
}

func TestTheJournalTellsCausesWithNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 2, outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Percent(50), BaseEjection: time.Second, Interval: time.Second})
		defer d.Close()
		for _, h := range hosts {
			d.Observe(h, failure)
			d.Observe(h, failure)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		journal := slices.Collect(d.Journal())
		require.Len(t, journal, 3)
		require.Equal(t, outlier.Ejected, journal[0].Kind)
		require.Equal(t, outlier.Consecutive5xx, journal[0].Reason)
		require.Equal(t, "2 in a row", journal[0].Detail)
		require.Equal(t, hosts[0], journal[0].Host)
		require.Equal(t, outlier.Overflowed, journal[1].Kind)
		require.Equal(t, hosts[1], journal[1].Host)
		require.Equal(t, outlier.Returned, journal[2].Kind)
	})
}

func TestTheJournalIsBounded(t *testing.T) {
	d, _, hosts := watch(t, 250, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Always})
	for _, h := range hosts {
		d.Observe(h, failure)
	}
	for _, h := range hosts[:50] {
		d.Restore(h)
	}
	require.Equal(t, map[outlier.Reason]outlier.Count{outlier.Consecutive5xx: {Detected: 250, Enforced: 250}}, d.Counts())
	journal := slices.Collect(d.Journal())
	require.Len(t, journal, 256)
	require.Equal(t, outlier.Returned, journal[255].Kind)
	require.Equal(t, hosts[49], journal[255].Host)
	require.Equal(t, outlier.Consecutive5xx, journal[255].Reason, "a return tells which ejection it ends")
}

func TestAHostThatIsSparedIsToldOnce(t *testing.T) {
	d, _, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Always, DryRun: true})
	for range 1000 {
		d.Observe(hosts[0], failure)
	}
	require.Len(t, slices.Collect(d.Journal()), 1)
	require.False(t, hosts[0].Ejected(), "a dry run ejects nobody")
	require.EqualValues(t, 1000, d.Stats().Detected)
	require.Equal(t, map[outlier.Reason]outlier.Count{outlier.Consecutive5xx: {Detected: 1000}}, d.Counts())
}

func TestAHostThatIsRestoredBeginsAnew(t *testing.T) {
	d, _, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Always})
	d.Observe(hosts[0], failure)
	d.Observe(hosts[0], failure)
	require.True(t, hosts[0].Ejected())
	for e := range d.Ejections() {
		require.Equal(t, "2 in a row", e.Detail)
	}
	d.Restore(hosts[0])
	require.False(t, hosts[0].Ejected())
	require.Equal(t, 0, d.Stats().Ejected)
	d.Observe(hosts[0], failure)
	require.False(t, hosts[0].Ejected())
}

func TestChangesAreMergedWhereThatIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 3, outlier.Config{
			Consecutive5xx: 1, MaxEjected: mesh.Always, Merge: time.Second, BaseEjection: 1500 * time.Millisecond, Interval: 100 * time.Millisecond,
		})
		d.Observe(hosts[0], failure)
		require.True(t, hosts[0].Ejected(), "the first is told at once")
		time.Sleep(300 * time.Millisecond)
		d.Observe(hosts[1], failure)
		time.Sleep(500 * time.Millisecond)
		d.Observe(hosts[2], failure)
		require.Equal(t, 3, d.Stats().Ejected)
		time.Sleep(500*time.Millisecond - 1)
		require.False(t, hosts[1].Ejected())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.True(t, hosts[1].Ejected() && hosts[2].Ejected(), "the others together")
		// At 1.5 s the first returns, which is 200 ms after they were told.
		time.Sleep(time.Second)
		require.True(t, hosts[0].Ejected())
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		for _, h := range hosts {
			require.False(t, h.Ejected(), "all have returned by 2.5 s")
		}
	})
}

func TestHowManyHostsCanBeOut(t *testing.T) {
	for _, c := range []struct {
		config      outlier.Config
		hosts, most int
	}{
		{outlier.Config{}, 9, 0},
		{outlier.Config{}, 10, 1},
		{outlier.Config{AlwaysOne: true}, 9, 1},
		{outlier.Config{AlwaysOne: true}, 0, 0},
		{outlier.Config{MaxEjected: mesh.Percent(50)}, 5, 2},
		{outlier.Config{MaxEjected: mesh.Always}, 5, 5},
		{outlier.Config{MaxEjected: mesh.Always, DryRun: true}, 5, 0},
	} {
		require.Equal(t, c.most, c.config.MostEjected(c.hosts), "%+v of %d", c.config, c.hosts)
	}
}

func TestRemovedHostsAreForgotten(t *testing.T) {
	d, b, hosts := watch(t, 2, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Percent(50)})
	d.Observe(hosts[0], failure)
	require.Equal(t, 1, d.Stats().Ejected)
	require.NoError(t, b.SetEndpoints(lb.Addrs(hosts[1].Addr(), "10.0.0.9:80")))
	require.Equal(t, 0, d.Stats().Ejected)
	d.Observe(hosts[1], failure)
	require.True(t, hosts[1].Ejected(), "there is room again")
}

// Ejections change the balancer while endpoints change and requests end.
func TestManyGoroutinesEjectAndChangeEndpoints(t *testing.T) {
	d, b, hosts := watch(t, 8, outlier.Config{
		Consecutive5xx: 2, MaxEjected: mesh.Percent(50), BaseEjection: time.Millisecond, Interval: time.Millisecond,
		SuccessRate: outlier.SuccessRate{Deviations: 1, MinRequests: 5},
	})
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 200 {
				o := mesh.Outcome{Status: 200}
				if (g+i)%3 == 0 {
					o = failure
				}
				d.Observe(hosts[(g+i)%len(hosts)], o)
				if lease, err := b.Pick(lb.Query{}); err == nil {
					lease.Done(o)
				}
				switch {
				case g == 0:
					_ = b.SetEndpoints(lb.Addrs("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"))
				case g == 1:
					d.Sweep(time.Now())
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, d.Close())
	// The timer may have begun to tell hosts before it was stopped.
	require.Eventually(t, func() bool {
		out := 0
		for h := range b.Hosts() {
			if h.Ejected() {
				out++
			}
		}
		return out == d.Stats().Ejected
	}, time.Minute, time.Millisecond)
}

func TestObservingAHostThatIsWellAllocatesNothing(t *testing.T) {
	d, _, hosts := watch(t, 1, outlier.Config{})
	require.Zero(t, testing.AllocsPerRun(1000, func() { d.Observe(hosts[0], mesh.Outcome{Status: 200}) }))
}
