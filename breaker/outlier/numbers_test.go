package outlier_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
)

func TestADetectorSeesHostsOfWhichItWasNotTold(t *testing.T) {
	d, err := outlier.New(outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Always})
	require.NoError(t, err)
	defer d.Close()
	h := lb.NewHost(lb.Endpoint{Addr: "10.0.0.1:80"})
	d.Observe(h, failure)
	require.False(t, h.Ejected())
	d.Observe(h, failure)
	require.True(t, h.Ejected())
}

func TestJitterMakesAnEjectionLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 1, outlier.Config{
			Consecutive5xx: 1, MaxEjected: mesh.Always, BaseEjection: 30 * time.Second,
			Jitter: 10 * time.Second, Rand: func() uint64 { return uint64(7 * time.Second) },
		})
		d.Observe(hosts[0], failure)
		e := slices.Collect(d.Ejections())
		require.Len(t, e, 1)
		require.Equal(t, 37*time.Second, e[0].Until.Sub(e[0].Since))
	})
}

// The hosts that are out are told in the order in which they went.
func TestEjectionsAreToldInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 3, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Always})
		var want []string
		for _, i := range []int{2, 0, 1} {
			d.Observe(hosts[i], failure)
			want = append(want, hosts[i].Addr())
			time.Sleep(time.Second)
		}
		var got []string
		for e := range d.Ejections() {
			got = append(got, e.Host.Addr())
		}
		require.Equal(t, want, got)
	})
}

// After a night without requests rates are judged over one interval as before.
func TestALongTimeWithoutRequestsIsCaughtUpWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 2, outlier.Config{
			Consecutive5xx: 5, MaxEjected: mesh.Always, Interval: time.Millisecond,
			FailureShare: outlier.FailureShare{Share: mesh.Percent(50), MinHosts: 1, MinRequests: 2},
		})
		time.Sleep(12 * time.Hour)
		d.Observe(hosts[1], mesh.Outcome{Status: 200}) // the night has ended
		d.Observe(hosts[0], failure)
		d.Observe(hosts[0], failure)
		time.Sleep(time.Millisecond)
		d.Observe(hosts[1], mesh.Outcome{Status: 200})
		require.True(t, hosts[0].Ejected(), "its interval is judged like any other")
	})
}

// An answer that breaks off is a success and a failure, as for Envoy: none of them
// in a row. Told apart from answers, it counts as a failure of the connection.
func TestAnAnswerThatBreaksOffIsBoth(t *testing.T) {
	cut := mesh.Outcome{Kind: mesh.Failure, Status: 200, Err: errors.New("cut")}
	d, _, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 2, MaxEjected: mesh.Always})
	for range 10 {
		d.Observe(hosts[0], cut)
	}
	require.False(t, hosts[0].Ejected())
	d.Observe(hosts[0], failure)
	require.True(t, hosts[0].Ejected(), "the last one was a failure")
}

func TestKindsOfTheJournalAreWords(t *testing.T) {
	for kind, want := range map[outlier.Kind]string{
		outlier.Ejected: "ejected", outlier.Returned: "returned", outlier.Overflowed: "not ejected: too many are",
		outlier.Detected: "would be ejected", 99: "unknown",
	} {
		require.Equal(t, want, kind.String())
	}
}

func TestTimesOfEjectionsFitEachOther(t *testing.T) {
	_, err := outlier.New(outlier.Config{BaseEjection: time.Minute, MaxEjection: time.Second})
	require.ErrorContains(t, err, "outlier.MaxEjection: is shorter than BaseEjection, which is 1m0s")

	synctest.Test(t, func(t *testing.T) {
		// A bound below the default of 30 s bounds that, too.
		d, _, hosts := watch(t, 1, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Always, MaxEjection: 5 * time.Second})
		d.Observe(hosts[0], failure)
		e := slices.Collect(d.Ejections())
		require.Equal(t, 5*time.Second, e[0].Until.Sub(e[0].Since))
	})
}

// Changes that were to be told together are not told any more once it is closed.
func TestAClosedDetectorTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, hosts := watch(t, 2, outlier.Config{Consecutive5xx: 1, MaxEjected: mesh.Always, Merge: time.Second})
		d.Observe(hosts[0], failure)
		d.Observe(hosts[1], failure) // waits for the merge
		require.NoError(t, d.Close())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, hosts[0].Ejected())
		require.False(t, hosts[1].Ejected())
	})
}
