package limit_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
)

func TestTheLeastUsedKeyIsForgotten(t *testing.T) {
	l := must(t, limit.Config{Rate: 1e-9, Burst: 1, Key: match.PeerKey(), MaxKeys: 3})
	allow := func(key string) bool {
		_, _, ok := l.Allow(key, epoch)
		return ok
	}
	for _, key := range []string{"a", "b", "c"} {
		require.True(t, allow(key))
	}
	require.False(t, allow("a")) // which makes b the least used
	require.True(t, allow("d"))
	for _, key := range []string{"a", "c", "d"} {
		require.False(t, allow(key), key)
	}
	require.True(t, allow("b"), "begins anew")
	require.Equal(t, limit.Stats{Allowed: 5, Limited: 4, Keys: 3, Forgotten: 2}, l.Stats())
}

func TestAMillionKeysAreBounded(t *testing.T) {
	for most, keys := range map[int]int{1: 1000, 100: 10_000, 10_000: 1_000_000} {
		l := must(t, limit.Config{Rate: 1, Key: match.PeerKey(), MaxKeys: most})
		for i := range keys {
			l.Allow(strconv.Itoa(i), epoch)
		}
		s := l.Stats()
		require.LessOrEqual(t, s.Keys, most)
		require.GreaterOrEqual(t, s.Keys, most*9/10)
		require.Equal(t, uint64(keys), s.Allowed)
		require.Equal(t, uint64(keys-s.Keys), s.Forgotten)
	}
}

func TestAMillionBucketsTakeLessThan200MiB(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	l := must(t, limit.Config{Rate: 1, Key: match.PeerKey(), MaxKeys: 1_000_000})
	long := string(make([]byte, 4<<10)) // nobody keeps it
	for i := range 1_000_000 {
		l.Allow(strconv.Itoa(i), epoch)
	}
	l.Allow(long, epoch)
	took := heap() - before
	require.GreaterOrEqual(t, l.Stats().Keys, 950_000)
	require.Less(t, took, uint64(200<<20))
	t.Logf("%d bytes a key", took/uint64(l.Stats().Keys))
}

func TestFewerKeysThanTheBoundAreAllKept(t *testing.T) {
	l := must(t, limit.Config{Rate: 1e-9, Burst: 1, Key: match.PeerKey(), MaxKeys: 10_000})
	for round := range 2 {
		for i := range 8_000 {
			_, _, ok := l.Allow(strconv.Itoa(i), epoch)
			require.Equal(t, round == 0, ok, i)
		}
	}
}

func TestGoroutinesNeverTakeMoreThanThereIs(t *testing.T) {
	for name, c := range map[string]limit.Config{
		"whole": {Rate: 1e-9, Burst: 1000},
		"keyed": {Rate: 1e-9, Burst: 1000, Key: match.PeerKey(), MaxKeys: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			l := must(t, c)
			var passed [3]atomic.Int64
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					for i := range 300 {
						if _, _, ok := l.Allow(strconv.Itoa(i%3), time.Now()); ok {
							passed[i%3].Add(1)
						}
						if i%50 == 0 {
							l.Stats()
						}
					}
				})
			}
			wg.Wait()
			total := passed[0].Load() + passed[1].Load() + passed[2].Load()
			if c.Key == nil {
				require.EqualValues(t, 1000, total)
			} else {
				require.EqualValues(t, 3000, total)
			}
			s := l.Stats()
			require.EqualValues(t, total, s.Allowed)
			require.EqualValues(t, 64*300-total, s.Limited)
		})
	}
}
