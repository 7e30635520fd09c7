package lb

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

// A recordedWarmup is the share that a new endpoint got beside an old one.
type recordedWarmup struct {
	ID      string
	Policy  string `json:"lb_policy"`
	Samples []struct {
		At      float64 `json:"at_s"`
		Formula float64
		Share   float64 `json:"share_of_new"`
	}
	Config struct {
		Aggression struct {
			Default float64 `json:"default_value"`
		}
		Window string `json:"slow_start_window"`
	} `json:"slow_start_config"`
}

func TestANewHostGetsItsShareByAndByAsByEnvoy(t *testing.T) {
	for _, c := range envoyCases[recordedWarmup](t, "slow_start") {
		t.Run(c.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := Config{
					Endpoints: Addrs("10.0.0.1:80"),
					Algorithm: map[string]Algorithm{"ROUND_ROBIN": RoundRobin{}, "LEAST_REQUEST": LeastRequest{}}[c.Policy],
					Warmup:    Warmup{Aggression: c.Config.Aggression.Default},
				}
				if c.Config.Window != "" {
					window, err := time.ParseDuration(c.Config.Window)
					require.NoError(t, err)
					config.Warmup.For = window
				}
				b := balanced(t, config)
				time.Sleep(time.Minute)
				require.NoError(t, b.SetEndpoints(Addrs("10.0.0.1:80", "10.0.0.2:80")))
				joined := time.Now()
				for _, s := range c.Samples {
					time.Sleep(time.Until(joined.Add(time.Duration(s.At * float64(time.Second)))))
					const n = 2000
					share := float64(spreadOf(t, b, n)["10.0.0.2:80"]) / n
					require.InDelta(t, s.Formula, share, 0.04, "after %v s", s.At) // equal weights draw
					require.InDelta(t, s.Share, share, 0.05, "after %v s", s.At)
				}
			})
		})
	}
}

func TestWarmupFollowsItsFormula(t *testing.T) {
	for _, c := range []struct {
		warmup Warmup
		age    time.Duration
		want   float64
	}{
		{Warmup{For: 10 * time.Second}, -time.Second, 0.1},
		{Warmup{For: 10 * time.Second}, 0, 0.1},
		{Warmup{For: 10 * time.Second}, 5 * time.Second, 0.5},
		{Warmup{For: 10 * time.Second}, 10 * time.Second, 1},
		{Warmup{For: 10 * time.Second, Aggression: 2}, 5 * time.Second, math.Sqrt(0.5)},
		{Warmup{For: 10 * time.Second, Aggression: 0.5}, 5 * time.Second, 0.25},
		{Warmup{For: 10 * time.Second, Min: mesh.Percent(40)}, time.Second, 0.4},
		{Warmup{For: 10 * time.Second, Min: 1}, 0, 0.0001},
		{Warmup{For: time.Microsecond}, 0, 1},
	} {
		require.InDelta(t, c.want, c.warmup.withDefaults().factor(int64(c.age)), 1e-9, "%+v at %v", c.warmup, c.age)
	}
}

func TestAHostThatRecoversWarmsUpAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:80", "10.0.0.2:80"), Algorithm: RoundRobin{}, Warmup: Warmup{For: time.Minute}})
		require.Equal(t, 50, spreadOf(t, b, 100)["10.0.0.2:80"], "all are new")
		time.Sleep(time.Hour)
		require.Equal(t, 50, spreadOf(t, b, 100)["10.0.0.2:80"])
		h := b.Host("10.0.0.2:80")
		h.SetHealthy(false)
		time.Sleep(time.Hour)
		h.SetHealthy(true)
		require.InDelta(t, 100*0.1/1.1, spreadOf(t, b, 100)["10.0.0.2:80"], 2)
		time.Sleep(30 * time.Second)
		require.InDelta(t, 1000*0.5/1.5, spreadOf(t, b, 1000)["10.0.0.2:80"], 6)
		time.Sleep(30 * time.Second)
		require.Equal(t, 50, spreadOf(t, b, 100)["10.0.0.2:80"])

		h.Eject()
		h.Restore()
		require.Equal(t, 50, spreadOf(t, b, 100)["10.0.0.2:80"], "an ejection is no reason to warm up")
	})
}
