package fault

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/match"
)

func must(t testing.TB, c Config) *Injector {
	t.Helper()
	i, err := New(c)
	require.NoError(t, err)
	return i
}

func get(t testing.TB) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://svc.example/path", nil)
	require.NoError(t, err)
	return r
}

func TestSharesAreThoseOfEnvoy(t *testing.T) {
	units := map[string]mesh.Fraction{"HUNDRED": 10_000, "TEN_THOUSAND": 100, "MILLION": 1}
	for _, c := range corpus.Cases[struct {
		ID                           string
		Numerator, Aborted, Requests int
		Denominator                  string
		Counts                       map[string]int
	}](t, "envoy/fault_percentage") {
		t.Run(c.ID, func(t *testing.T) {
			config := Config{Abort: Abort{Status: 503}}
			if c.Counts != nil {
				config.Abort.Share = mesh.Percent(50)
				config.Delay = Delay{Share: mesh.Percent(50), For: 4 * time.Millisecond}
			} else if config.Abort.Share = min(mesh.Always, mesh.Fraction(c.Numerator)*units[c.Denominator]); config.Abort.Share == 0 {
				config.Abort = Abort{}
			}
			i := must(t, config)
			draws, got := rand.New(rand.NewPCG(1, 2)), map[string]int{}
			for range c.Requests {
				d := i.Decide(get(t), draws.Uint64())
				got[map[bool]string{true: "delay+"}[d.Delay > 0]+map[bool]string{true: "abort", false: "pass"}[d.Status != 0]]++
			}
			want := c.Counts
			if want == nil {
				want = map[string]int{"abort": c.Aborted, "pass": c.Requests - c.Aborted}
			}
			for what, n := range want {
				// Both counts are samples: five standard deviations of their difference.
				p := float64(n) / float64(c.Requests)
				require.InDelta(t, n, got[what], 5*math.Sqrt(2*float64(c.Requests)*p*(1-p))+3, what)
			}
		})
	}
}

func TestAMillionthIsHit(t *testing.T) {
	i := must(t, Config{Abort: Abort{Share: 1, Status: 503}})
	draws, hits := rand.New(rand.NewPCG(3, 4)), 0
	r := get(t)
	const requests = 10_000_000
	for range requests {
		if i.Decide(r, draws.Uint64()).Status != 0 {
			hits++
		}
	}
	require.InDelta(t, 10, hits, 5*math.Sqrt(10))
}

func TestEqualDrawsGetEqualFaults(t *testing.T) {
	i := must(t, Config{
		Delay: Delay{Share: mesh.Percent(30), Spread: Uniform(0, time.Second)},
		Abort: Abort{Share: mesh.Percent(30), Status: 503},
		Drip:  Drip{Share: mesh.Percent(30), Rate: 100},
		Cut:   Cut{Share: mesh.Percent(30), After: 10},
	})
	for draw := range uint64(1000) {
		require.Equal(t, i.Decide(get(t), draw), i.Decide(get(t), draw))
	}
}

func TestAllFaultsAreDrawnIndependently(t *testing.T) {
	half := mesh.Percent(50)
	i := must(t, Config{
		Delay: Delay{Share: half, For: 1}, Abort: Abort{Share: half, Status: 503},
		Drip: Drip{Share: half, Rate: 1}, Cut: Cut{Share: half},
	})
	const requests = 160_000
	counts := map[Decision]int{}
	r := get(t)
	for n := range uint64(requests) {
		counts[i.Decide(r, n)]++ // draws that differ in few bits
	}
	require.Len(t, counts, 16)
	for d, n := range counts {
		require.InDelta(t, requests/16, n, 5*math.Sqrt(requests/16), "%+v", d)
	}
}

func TestOnlyRequestsThatFitMeetFaults(t *testing.T) {
	i := must(t, Config{
		When:  match.Request{Headers: []match.Field{{Name: "x-chaos", Value: match.Exact("on")}}},
		Abort: Abort{Share: mesh.Always, Status: 503},
	})
	r := get(t)
	require.Zero(t, i.Decide(r, 1))
	r.Header.Set("X-Chaos", "on")
	require.Equal(t, Decision{Status: 503}, i.Decide(r, 1))
}

func TestCallersMayAskAsEnvoyLetsThem(t *testing.T) {
	routes := map[string]Config{
		"habort":     {Asked: Asked{Abort: mesh.Always}},
		"habort40":   {Asked: Asked{Abort: mesh.Percent(40)}},
		"habort400k": {Asked: Asked{Abort: 400_000, Unit: 1}},
		"hdelay":     {Asked: Asked{Delay: mesh.Always}},
		"fabort":     {Abort: Abort{Share: mesh.Always, Status: 503}},
		"match":      {When: match.Request{Headers: []match.Field{{Name: "x-chaos", Value: match.Exact("on")}}}, Abort: Abort{Share: mesh.Always, Status: 503}},
		"max0":       {MaxActive: -1, Abort: Abort{Share: mesh.Always, Status: 503}},
		"zero-delay": {},
	}
	for _, c := range corpus.Cases[struct {
		ID, Route, Flags string
		Headers          [][2]string
		MsOver           int `json:"ms_over"`
		Requests         int
		Statuses         map[int]int
	}](t, "envoy/fault_control") {
		config, ok := routes[c.Route]
		if !ok {
			continue // a condition on the caller's node, or a rate: see TestADripHasTheRateOfEnvoys
		}
		t.Run(c.ID, func(t *testing.T) {
			i := must(t, config)
			r := get(t)
			for _, h := range c.Headers {
				r.Header.Add(h[0], h[1])
			}
			draws, got := rand.New(rand.NewPCG(5, 6)), map[int]int{}
			for range c.Requests {
				d := i.Decide(r, draws.Uint64())
				require.Equal(t, strings.Contains(c.Flags, "DI"), d.Delay > 0)
				require.Equal(t, c.MsOver, int(d.Delay.Milliseconds())/50*50)
				status := 200
				if d.Status != 0 {
					status = d.Status
				}
				got[status]++
			}
			if c.Requests == 1 {
				require.Equal(t, c.Statuses, got)
				return
			}
			for status, n := range c.Statuses {
				p := float64(n) / float64(c.Requests)
				require.InDelta(t, n, got[status], 5*math.Sqrt(2*float64(c.Requests)*p*(1-p))+1, status)
			}
		})
	}
}

func TestWishesAreNotHeardUnlessConfiguredAndThenCapped(t *testing.T) {
	r := get(t)
	r.Header.Set(headerAbort, "503")
	r.Header.Set(headerDelay, "3600000")
	r.Header.Set(headerDrip, "1")
	require.Zero(t, must(t, Config{Drip: Drip{Share: 1, Rate: 1}}).Decide(r, 0))
	require.Equal(t, Decision{Delay: 15 * time.Second, Status: 503, Rate: 1024},
		must(t, Config{Asked: Asked{Delay: mesh.Always, Abort: mesh.Always, Drip: mesh.Always}}).Decide(r, 0))
	require.Equal(t, Decision{Delay: time.Second},
		must(t, Config{Asked: Asked{Delay: mesh.Always, MaxDelay: time.Second}}).Decide(r, 0))
}

func FuzzWishesNeverBreakTheCaps(f *testing.F) {
	f.Add("503", "14", "100", "4", "50", uint64(1))
	f.Add("-1", "18446744073709551615", "9223372036854775807", "9223372036854775807", "x", uint64(2))
	i := must(f, Config{Asked: Asked{Delay: mesh.Percent(50), Abort: mesh.Percent(50), Drip: mesh.Percent(50), MaxDelay: time.Minute}})
	f.Fuzz(func(t *testing.T, abort, grpc, delay, drip, percent string, draw uint64) {
		r := get(t)
		for name, v := range map[string]string{headerAbort: abort, headerGRPC: grpc, headerDelay: delay, headerDrip: drip} {
			r.Header[name], r.Header[name+percentage] = []string{v}, []string{percent}
		}
		d := i.Decide(r, draw)
		if d.Delay < 0 || d.Delay > time.Minute || d.Rate < 0 || d.Rate > maxRate || d.GRPC < 0 ||
			d.Status != 0 && (d.Status < 200 || d.Status > 599) {
			t.Fatalf("%+v", d)
		}
		// A header may lower the share, never raise it.
		delete(r.Header, headerAbort+percentage)
		delete(r.Header, headerGRPC+percentage)
		delete(r.Header, headerDelay+percentage)
		delete(r.Header, headerDrip+percentage)
		if full := i.Decide(r, draw); d.Status != 0 && full.Status == 0 || d.Delay != 0 && full.Delay == 0 || d.Rate != 0 && full.Rate == 0 {
			t.Fatalf("with the percentage %q %+v, without %+v", percent, d, full)
		}
	})
}
