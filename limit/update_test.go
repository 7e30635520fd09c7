package limit_test

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
)

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	_, err := limit.New(limit.Config{
		Rate: math.NaN(), Burst: -1, MaxKeys: -1, Status: 200, Exempt: []match.Request{{}, {Path: match.Regex("(")}},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"limit.Rate", "limit.Burst", "limit.MaxKeys", "limit.Status", "limit.Exempt[1].Path"}, fields)
	for _, rate := range []float64{0, -1, math.Inf(1)} {
		_, err := limit.New(limit.Config{Rate: rate})
		require.ErrorContains(t, err, "limit.Rate")
	}
	_, err = limit.New(limit.Config{Rate: 1, MaxKeys: 5})
	require.ErrorContains(t, err, "stands without Key")
}

func TestABurstThatIsNotSetIsASecondOfTheRate(t *testing.T) {
	for rate, burst := range map[float64]int{0.1: 1, 1: 1, 2.5: 3, 100: 100} {
		l := must(t, limit.Config{Rate: rate})
		left, _, _ := l.Allow("", epoch)
		require.Equal(t, burst-1, left)
	}
}

func TestAnUpdateKeepsTokensAndFillsAtTheNewRate(t *testing.T) {
	for name, key := range map[string]match.Key{"whole": nil, "keyed": match.PeerKey()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := must(t, limit.Config{Rate: 1, Burst: 10, Key: key})
				passed := func() (n int) {
					for {
						if _, _, ok := l.Allow("a", time.Now()); !ok {
							return n
						}
						n++
					}
				}
				require.Equal(t, 10, passed())
				time.Sleep(4 * time.Second)
				require.NoError(t, l.Update(limit.Config{Rate: 100, Burst: 50, Key: key}))
				require.Equal(t, 4, passed(), "as many as the old rate had brought")
				time.Sleep(100 * time.Millisecond)
				require.Equal(t, 10, passed())
				time.Sleep(time.Second)
				require.NoError(t, l.Update(limit.Config{Rate: 1, Burst: 5, Key: key}))
				require.Equal(t, 5, passed(), "what no longer fits is gone")
				require.Equal(t, uint64(29), l.Stats().Allowed)
			})
		})
	}
}

func TestABadUpdateChangesNothing(t *testing.T) {
	l := must(t, limit.Config{Rate: 1e-9, Burst: 2})
	l.Allow("", time.Now())
	require.ErrorContains(t, l.Update(limit.Config{Rate: 100, Burst: -1}), "limit.Burst")
	left, _, ok := l.Allow("", time.Now())
	require.True(t, ok)
	require.Zero(t, left)
}

func TestAnUpdateCanLowerTheNumberOfKeys(t *testing.T) {
	c := limit.Config{Rate: 1, Key: match.PeerKey(), MaxKeys: 10_000}
	l := must(t, c)
	for i := range 10_000 {
		l.Allow(strconv.Itoa(i), epoch)
	}
	c.MaxKeys = 1000
	require.NoError(t, l.Update(c))
	require.LessOrEqual(t, l.Stats().Keys, 1000)
	require.GreaterOrEqual(t, l.Stats().Keys, 900)
}

func TestRequestsAndUpdatesAtTheSameTime(t *testing.T) {
	l := must(t, limit.Config{Rate: 1000, Key: match.PeerKey()})
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			for i := range 200 {
				if n == 0 && i%10 == 0 {
					c := limit.Config{Rate: float64(i + 1), Burst: i + 1}
					if i%20 == 0 {
						c.Key, c.MaxKeys = match.PeerKey(), 100*(i+1)
					}
					if err := l.Update(c); err != nil {
						t.Error(err)
					}
				}
				l.Allow(strconv.Itoa(i), time.Now())
			}
		})
	}
	wg.Wait()
	s := l.Stats()
	require.EqualValues(t, 64*200, s.Allowed+s.Limited)
}
