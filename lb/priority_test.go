package lb

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A recordedLoad is how Envoy spread requests over priorities.
type recordedLoad struct {
	ID     string
	Levels []struct{ Healthy, Degraded, Unhealthy int }

	LoadPercent      []int                                        `json:"load_percent"`
	NoHostPercent    int                                          `json:"no_host_percent"`
	Overprovisioning int                                          `json:"overprovisioning"`
	PanicPicks       int                                          `json:"panic_picks"` // of 400
	PanicThreshold   float64                                      `json:"panic_threshold"`
	RandomNoHost     int                                          `json:"random_no_host"` // of 400
	Random400        []struct{ Healthy, Degraded, Unhealthy int } `json:"random_policy_400"`
}

func (c recordedLoad) health() []levelHealth {
	var levels []levelHealth
	for _, l := range c.Levels {
		levels = append(levels, levelHealth{l.Healthy + l.Degraded + l.Unhealthy, l.Healthy, l.Degraded})
	}
	return levels
}

func TestLoadIsSpreadOverPrioritiesAsByEnvoy(t *testing.T) {
	for _, c := range envoyCases[recordedLoad](t, "priority_load") {
		t.Run(c.ID, func(t *testing.T) {
			levels := c.health()
			loads := spread(levels, c.Overprovisioning, c.PanicThreshold)
			nobody, panics := 0, 0
			for i, load := range loads {
				want := c.LoadPercent[i]
				got := load.healthy + load.degraded
				if levels[i].healthy == 0 && !load.panic {
					// The recording was made with a ring, which has no degraded hosts.
					nobody += got
					got = 0
				}
				require.Equal(t, want, got, "level %d of %+v", i, loads)
				if load.panic {
					panics += 4 * (load.healthy + load.degraded)
				}
			}
			require.Equal(t, c.NoHostPercent, nobody)
			require.InDelta(t, c.PanicPicks, panics, 40)

			// With a random algorithm the kinds of hosts show.
			for i, load := range loads {
				if load.panic {
					continue
				}
				if levels[i].healthy > 0 {
					require.InDelta(t, 4*load.healthy, c.Random400[i].Healthy, 40, "healthy of level %d", i)
				}
				if levels[i].degraded > 0 {
					require.InDelta(t, 4*load.degraded, c.Random400[i].Degraded, 40, "degraded of level %d", i)
				}
			}
		})
	}
}

func TestLoadsAddUpToAll(t *testing.T) {
	for h0 := range 11 {
		for d0 := range 11 - h0 {
			for h1 := range 6 {
				levels := []levelHealth{{10, h0, d0}, {5, h1, 0}, {0, 0, 0}}
				for _, below := range []float64{0, 50, 100} {
					sum := 0
					for _, load := range spread(levels, 140, below) {
						sum += load.healthy + load.degraded
					}
					require.Equal(t, 100, sum, "%v below %v", levels, below)
				}
			}
		}
	}
}
