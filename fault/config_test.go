package fault

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
)

func TestEverythingWrongWithAConfigIsReportedAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		config Config
		fields []string
	}{
		"a share of nothing": {
			Config{Delay: Delay{Share: 1}, Abort: Abort{Share: 1}, Drip: Drip{Share: 1}},
			[]string{"fault.Delay", "fault.Abort", "fault.Drip"},
		},
		"what would happen to nobody": {
			Config{Delay: Delay{For: time.Second}, Abort: Abort{Status: 503}, Drip: Drip{Rate: 1}, Cut: Cut{After: 1}},
			[]string{"fault.Delay.Share", "fault.Abort.Share", "fault.Drip.Share", "fault.Cut.Share"},
		},
		"shares above all": {
			Config{
				Delay: Delay{Share: mesh.Percent(101), For: 1}, Abort: Abort{Share: mesh.Percent(-1), Reset: true},
				Drip: Drip{Share: mesh.Always + 1, Rate: 1}, Cut: Cut{Share: mesh.Always + 1},
			},
			[]string{"fault.Delay.Share", "fault.Abort.Share", "fault.Drip.Share", "fault.Cut.Share"},
		},
		"negative values": {
			Config{Delay: Delay{Share: 1, For: -1}, Drip: Drip{Share: 1, Rate: -1}, Cut: Cut{Share: 1, After: -1}, Abort: Abort{Share: 1, GRPC: -1}},
			[]string{"fault.Delay.For", "fault.Drip.Rate", "fault.Cut.After", "fault.Abort.GRPC"},
		},
		"a status that is none":      {Config{Abort: Abort{Share: 1, Status: 199}}, []string{"fault.Abort.Status"}},
		"a status beyond all":        {Config{Abort: Abort{Share: 1, Status: 600}}, []string{"fault.Abort.Status"}},
		"a reset with a status":      {Config{Abort: Abort{Share: 1, Status: 503, Reset: true}}, []string{"fault.Abort.Reset"}},
		"two ways to say how long":   {Config{Delay: Delay{Share: 1, For: 1, Spread: Exponential(1)}}, []string{"fault.Delay.Spread"}},
		"a uniform spread backwards": {Config{Delay: Delay{Share: 1, Spread: Uniform(2, 1)}}, []string{"fault.Delay.Spread"}},
		"an empty histogram":         {Config{Delay: Delay{Share: 1, Spread: Histogram()}}, []string{"fault.Delay.Spread"}},
		"bars out of order":          {Config{Delay: Delay{Share: 1, Spread: Histogram(Bar{2, 1}, Bar{1, 1})}}, []string{"fault.Delay.Spread"}},
		"a bad description":          {Config{When: match.Request{Path: match.Regex("(")}}, []string{"fault.When.Path"}},
		"fixed and asked for": {
			Config{Abort: Abort{Share: 1, Status: 503}, Asked: Asked{Abort: 1, MaxDelay: -1}},
			[]string{"fault.Asked.MaxDelay", "fault.Asked.Abort"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.config)
			var fields []string
			for p := range mesh.Problems(err) {
				fields = append(fields, p.Field)
			}
			slices.Sort(fields)
			slices.Sort(tt.fields)
			require.Equal(t, tt.fields, fields, "%v", err)
		})
	}
}

func TestABadUpdateChangesNothing(t *testing.T) {
	i := must(t, Config{Abort: Abort{Share: mesh.Always, Status: 503}})
	require.Error(t, i.Update(Config{Abort: Abort{Share: mesh.Always, Status: 1}}))
	require.Equal(t, 503, i.Decide(get(t), 1).Status)
	require.NoError(t, i.Update(Config{}))
	require.Zero(t, i.Decide(get(t), 1))
}

func TestSpreadsHaveTheirMeansAndBounds(t *testing.T) {
	const draws = 100_000
	for name, tt := range map[string]struct {
		spread         Spread
		mean           time.Duration
		lowest, median time.Duration // bounds on the smallest, and the middle one
	}{
		"uniform":     {Uniform(time.Second, 3*time.Second), 2 * time.Second, time.Second, 2 * time.Second},
		"normal":      {Normal(time.Second, 100*time.Millisecond), time.Second, 0, time.Second},
		"exponential": {Exponential(time.Second), time.Second, 0, 693 * time.Millisecond}, // ln 2
		// A quarter even in 0..1 s, three in 1..3 s: 1/4·0.5 + 3/4·2.
		"histogram": {Histogram(Bar{time.Second, 1}, Bar{3 * time.Second, 3}), 1625 * time.Millisecond, 0, 1667 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			all := make([]time.Duration, draws)
			sum := 0.0
			for i := range all {
				all[i] = tt.spread.at(mix(uint64(i)))
				sum += all[i].Seconds()
			}
			slices.Sort(all)
			require.InEpsilon(t, tt.mean.Seconds(), sum/draws, 0.02)
			require.InEpsilon(t, tt.median.Seconds(), all[draws/2].Seconds(), 0.02)
			require.GreaterOrEqual(t, all[0], tt.lowest)
		})
	}
}
