package expiry

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// A job notes when its time was over.
type job struct {
	Entry
	began, ended time.Time
	times        int
}

func (j *job) Expire() { j.ended, j.times = time.Now(), j.times+1 }

func (j *job) start(q *Queue) {
	j.began = time.Now()
	j.End = j.began.Add(q.After)
	q.Add(&j.Entry, j)
}

func TestEachEndsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &Queue{After: time.Second}
		jobs := make([]job, 50)
		for i := range jobs {
			jobs[i].start(q)
			time.Sleep(time.Duration(i) * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range jobs {
			require.Equal(t, 1, jobs[i].times, i)
			require.Equal(t, time.Second, jobs[i].ended.Sub(jobs[i].began), i)
		}
		for i := range *q.lanes.Load() {
			l := &(*q.lanes.Load())[i]
			require.Nil(t, l.first)
			require.Nil(t, l.last)
		}
	})
}

func TestWhatWasRemovedDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0}, {1}, {2}, {0, 2}, {}} {
			q := &Queue{After: time.Second}
			jobs := make([]job, 3)
			for i := range jobs {
				jobs[i].start(q)
			}
			for _, i := range order {
				require.True(t, q.Remove(&jobs[i].Entry))
				require.False(t, q.Remove(&jobs[i].Entry))
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			for i := range jobs {
				want := 1
				for _, removed := range order {
					if removed == i {
						want = 0
					}
				}
				require.Equal(t, want, jobs[i].times, "job %d, removed %v", i, order)
				require.False(t, q.Remove(&jobs[i].Entry))
			}
		}
	})
}

func TestATimerForManyIsOne(t *testing.T) {
	q := &Queue{After: time.Hour}
	j := make([]job, 2)
	j[0].start(q)
	beside := func() { // in the same list
		j[1].End = j[0].End
		q.Add(&j[1].Entry, &j[1])
		q.Remove(&j[1].Entry)
	}
	require.True(t, q.lane(&j[0].Entry).armed)
	require.Zero(t, testing.AllocsPerRun(1000, beside))
	q.Remove(&j[0].Entry)
	require.Zero(t, testing.AllocsPerRun(1000, beside), "alone")
}

func TestAQueueOutlivesABubble(t *testing.T) {
	q := &Queue{After: time.Second}
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			var late, gone job
			late.start(q)
			time.Sleep(time.Second)
			synctest.Wait()
			require.Equal(t, 1, late.times)
			gone.start(q) // its timer is gone with the bubble
			q.Remove(&gone.Entry)
		})
	}
}

func TestATimerOfABubbleIsNoneOutside(t *testing.T) {
	q := &Queue{After: time.Millisecond}
	end := time.Now().Add(q.After)
	synctest.Test(t, func(*testing.T) {
		// The same fraction of a second is the same list.
		gone := job{Entry: Entry{End: time.Now().Add(time.Duration(end.Nanosecond()))}}
		q.Add(&gone.Entry, &gone)
		q.Remove(&gone.Entry)
	})
	a := &alarm{Entry: Entry{End: end}}
	q.Add(&a.Entry, a)
	require.Eventually(t, func() bool { return a.rang.Load() == 1 }, time.Minute, time.Millisecond)
}

// The end of so long a time is beyond the monotonic clock, as a bubble's is always.
func TestATimeWithoutAnEndTakesOneTimer(t *testing.T) {
	q := &Queue{After: math.MaxInt64}
	j := job{Entry: Entry{End: time.Now().Add(q.After)}}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		q.Add(&j.Entry, &j)
		q.Remove(&j.Entry)
	}))
}

// An alarm rings on any goroutine.
type alarm struct {
	Entry
	rang atomic.Int32
}

func (a *alarm) Expire() { a.rang.Add(1) }

func TestManyGoroutinesInRealTime(t *testing.T) {
	q := &Queue{After: 20 * time.Millisecond}
	kept := make([][]*alarm, 8)
	var all sync.WaitGroup
	for i := range kept {
		all.Go(func() {
			for range 500 {
				a := new(alarm)
				a.End = time.Now().Add(q.After)
				if q.Add(&a.Entry, a); rand.IntN(2) == 0 {
					q.Remove(&a.Entry)
				} else {
					kept[i] = append(kept[i], a)
				}
			}
		})
	}
	all.Wait()
	for _, alarms := range kept {
		for _, a := range alarms {
			require.Eventually(t, func() bool { return a.rang.Load() == 1 }, time.Minute, time.Millisecond)
		}
	}
}

func BenchmarkEntry(b *testing.B) {
	b.Run("queue", func(b *testing.B) {
		q := &Queue{After: time.Second}
		var j job
		j.End = time.Now().Add(q.After)
		for b.Loop() {
			q.Add(&j.Entry, &j)
			q.Remove(&j.Entry)
		}
	})
	b.Run("queue/par", func(b *testing.B) {
		q := &Queue{After: time.Second}
		b.RunParallel(func(pb *testing.PB) {
			var j job
			j.End = time.Now().Add(q.After)
			for pb.Next() {
				q.Add(&j.Entry, &j)
				q.Remove(&j.Entry)
			}
		})
	})
	b.Run("timer", func(b *testing.B) {
		for b.Loop() {
			time.AfterFunc(time.Second, func() {}).Stop()
		}
	})
	b.Run("timer/par", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				time.AfterFunc(time.Second, func() {}).Stop()
			}
		})
	})
}
