package limit_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
)

var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// A model is a token bucket in exact arithmetic.
type model struct {
	rate, burst, tokens *big.Rat
	last                time.Time
}

func newModel(rate int64, burst int) *model {
	return &model{big.NewRat(rate, 1), big.NewRat(int64(burst), 1), big.NewRat(int64(burst), 1), epoch}
}

func (m *model) allow(now time.Time) bool {
	filled := new(big.Rat).Mul(m.rate, big.NewRat(now.Sub(m.last).Nanoseconds(), int64(time.Second)))
	m.tokens.Add(m.tokens, filled)
	if m.tokens.Cmp(m.burst) > 0 {
		m.tokens.Set(m.burst)
	}
	m.last = now
	one := big.NewRat(1, 1)
	if m.tokens.Cmp(one) < 0 {
		return false
	}
	m.tokens.Sub(m.tokens, one)
	return true
}

// near reports whether the model holds a whole number of tokens but for rounding,
// so that floating point may see it a token off.
func (m *model) near() bool {
	f, _ := m.tokens.Float64()
	return math.Abs(f-math.Round(f)) < 1e-6
}

func TestABucketIsTheOneOfExactArithmetic(t *testing.T) {
	for seed := range uint64(300) {
		draw := rand.New(rand.NewPCG(seed, 1))
		rate, burst := draw.Int64N(1000)+1, draw.IntN(50)+1
		l, m, now := must(t, limit.Config{Rate: float64(rate), Burst: burst}), newModel(rate, burst), epoch
		for range 300 {
			now = now.Add(time.Duration(draw.ExpFloat64() * float64(time.Second) / float64(rate)))
			want := m.allow(now)
			left, wait, ok := l.Allow("", now)
			if m.near() {
				break // both ways are right, and go apart from here
			}
			require.Equal(t, want, ok, "rate %d, burst %d, seed %d", rate, burst, seed)
			exact, _ := m.tokens.Float64()
			require.Equal(t, int(exact), left)
			if left > 0 {
				require.Zero(t, wait)
			} else {
				require.InDelta(t, (1-exact)/float64(rate)*1e9, float64(wait), 10)
			}
		}
	}
}

func TestAfterTheWaitThereIsATokenAndNotBefore(t *testing.T) {
	for seed := range uint64(300) {
		draw := rand.New(rand.NewPCG(seed, 2))
		c := limit.Config{Rate: math.Exp(draw.Float64()*20 - 10), Burst: draw.IntN(20) + 1}
		l, now := must(t, c), epoch
		var wait time.Duration
		for ok := true; ok; {
			now = now.Add(time.Duration(draw.Int64N(1000)))
			_, wait, ok = l.Allow("", now)
		}
		if early := wait * 99 / 100; early > 0 && early < wait-2 {
			_, _, ok := l.Allow("", now.Add(early))
			require.False(t, ok, "rate %g: %v is less than %v", c.Rate, early, wait)
		}
		_, _, ok := l.Allow("", now.Add(wait))
		require.True(t, ok, "rate %g: after %v", c.Rate, wait)
	}
}

func TestInTheLongRunTheRateIsTheConfiguredOne(t *testing.T) {
	for _, perSecond := range []float64{0.5, 3, 10, 333.3, 5000} {
		for _, load := range []float64{1.5, 10} {
			synctest.Test(t, func(t *testing.T) {
				l := must(t, limit.Config{Rate: perSecond, Burst: 20})
				draw := rand.New(rand.NewPCG(1, 2))
				begin, passed := time.Now(), 0
				for passed < 10_000 {
					time.Sleep(time.Duration(draw.Float64() * 2 / (load * perSecond) * float64(time.Second)))
					if _, _, ok := l.Allow("", time.Now()); ok {
						passed++
					}
				}
				require.InEpsilon(t, perSecond, float64(passed)/time.Since(begin).Seconds(), 0.01, "load %g", load)
			})
		}
	}
}

func TestARateThatFillsABucketInAgesDoesNotOverflow(t *testing.T) {
	l := must(t, limit.Config{Rate: math.SmallestNonzeroFloat64, Burst: 1})
	l.Allow("", epoch)
	_, wait, ok := l.Allow("", epoch.Add(100*365*24*time.Hour))
	require.False(t, ok)
	require.Equal(t, time.Duration(math.MaxInt64), wait)
}

func TestAClockThatGoesBackFillsNothing(t *testing.T) {
	l := must(t, limit.Config{Rate: 1, Burst: 1})
	_, _, first := l.Allow("", epoch)
	_, _, back := l.Allow("", epoch.Add(-time.Hour))
	_, _, again := l.Allow("", epoch)
	require.Equal(t, []bool{true, false, false}, []bool{first, back, again})
}

func TestKeysDoNotShareTokens(t *testing.T) {
	draw := rand.New(rand.NewPCG(5, 6))
	l := must(t, limit.Config{Rate: 7, Burst: 3, Key: match.PeerKey()})
	models := map[string]*model{}
	now := epoch
	for range 20_000 {
		now = now.Add(time.Duration(draw.Int64N(int64(time.Second) / 300)))
		key := strconv.Itoa(draw.IntN(50))
		if models[key] == nil {
			models[key] = newModel(7, 3)
		}
		_, _, ok := l.Allow(key, now)
		require.Equal(t, models[key].allow(now), ok)
	}
	require.Equal(t, 50, l.Stats().Keys)
}

func TestDecidingDoesNotAllocate(t *testing.T) {
	whole := must(t, limit.Config{Rate: 1, Burst: 10})
	keyed := must(t, limit.Config{Rate: 1, Burst: 10, Key: match.PeerKey()})
	keyed.Allow("a", epoch)
	now := epoch
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		whole.Allow("", now)
		keyed.Allow("a", now)
	}))
}
