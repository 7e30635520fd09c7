package outlier

import (
	"math/rand/v2"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// A Config says when a host is ejected and for how long. Its zero value is
// Envoy's default: five 5xx in a row, 30 s times the number of ejections, at most
// a tenth of the hosts. With fewer than ten hosts a tenth is none.
type Config struct {
	// Consecutive5xx ejects after that many answers of 500 to 599 in a row, failures
	// without an answer counted in unless Split. Zero is 5, negative is off.
	Consecutive5xx int
	// ConsecutiveGateway ejects after that many answers of 502, 503 or 504 in a row,
	// failures without an answer counted in unless Split. Zero and negative are off.
	ConsecutiveGateway int
	// Split counts failures without an answer by themselves, in ConsecutiveLocal. An
	// attempt for which a connection could be had begins that count anew, so that in
	// effect only connections that cannot be made add up.
	Split bool
	// ConsecutiveLocal ejects after that many failures in a row that have no answer,
	// with Split. Zero is 5, negative is off.
	ConsecutiveLocal int

	// SuccessRate ejects hosts that fail more often than the others.
	SuccessRate SuccessRate
	// FailureShare ejects hosts that fail too often.
	FailureShare FailureShare

	// Interval is how often hosts come back, rates are looked at and the time of
	// ejections decays. Zero is 10 s.
	Interval time.Duration
	// BaseEjection is how long the first ejection lasts; each further one lasts that
	// much longer, up to MaxEjection. For each Interval without an ejection it is one
	// step less. Zero is 30 s.
	BaseEjection time.Duration
	// MaxEjection bounds it. Zero is 300 s, or BaseEjection if that is more.
	MaxEjection time.Duration
	// Jitter is added to an ejection at random, up to so much.
	Jitter time.Duration

	// MaxEjected is the share of all hosts that may be ejected at once, rounded down.
	// Zero is 10 %.
	MaxEjected mesh.Fraction
	// AlwaysOne lets one host be ejected even where MaxEjected comes to none.
	AlwaysOne bool

	// Merge is how long balancers see no further ejection or return after one: those
	// that fall into that time are told together when another Merge is over. It is
	// Envoy's update_merge_window, which Istio leaves at its 1 s. Zero tells them at
	// once.
	Merge time.Duration

	// DryRun ejects nobody, and notes in the journal who would have been.
	DryRun bool

	// Rand draws the jitter; nil is math/rand/v2.
	Rand func() uint64
}

// SuccessRate compares the hosts of each interval: one is ejected if its share of
// successes is below the mean by more than Deviations standard deviations. With
// Envoy's 1.9 this needs five hosts.
type SuccessRate struct {
	Deviations  float64 // zero is off; Envoy's default is 1.9
	MinHosts    int     // as many must have had MinRequests; zero is 5
	MinRequests int     // in the interval, for a host to take part; zero is 100
}

// FailureShare judges each host of an interval by itself: one is ejected if at
// least Share of its requests failed.
type FailureShare struct {
	Share       mesh.Fraction // zero is off; Envoy's default is 85 %
	MinHosts    int           // as many must have had MinRequests; zero is 5
	MinRequests int           // in the interval, for a host to take part; zero is 50
}

// withDefaults checks c and fills in what was left open; what is off is zero.
func (c Config) withDefaults() (Config, error) {
	l := check.List{Prefix: "outlier"}
	for _, f := range [...]struct {
		name string
		d    time.Duration
	}{{"Interval", c.Interval}, {"BaseEjection", c.BaseEjection}, {"MaxEjection", c.MaxEjection}, {"Jitter", c.Jitter}, {"Merge", c.Merge}} {
		l.NotNegative(f.name, f.d)
	}
	l.Share("MaxEjected", c.MaxEjected)
	l.Share("FailureShare.Share", c.FailureShare.Share)
	if !(c.SuccessRate.Deviations >= 0) {
		l.Add("SuccessRate.Deviations", c.SuccessRate.Deviations, "must not be negative")
	}
	if c.ConsecutiveLocal > 0 && !c.Split {
		l.Add("ConsecutiveLocal", c.ConsecutiveLocal, "has no effect without Split")
	}
	if c.MaxEjection > 0 && c.BaseEjection > c.MaxEjection {
		l.Add("MaxEjection", c.MaxEjection, "is shorter than BaseEjection, which is %v", c.BaseEjection)
	}
	c.Consecutive5xx = orDefault(c.Consecutive5xx, 5)
	c.ConsecutiveGateway = max(c.ConsecutiveGateway, 0)
	c.ConsecutiveLocal = orDefault(c.ConsecutiveLocal, 5)
	if !c.Split {
		c.ConsecutiveLocal = 0
	}
	c.SuccessRate.MinHosts = orDefault(c.SuccessRate.MinHosts, 5)
	c.SuccessRate.MinRequests = orDefault(c.SuccessRate.MinRequests, 100)
	c.FailureShare.MinHosts = orDefault(c.FailureShare.MinHosts, 5)
	c.FailureShare.MinRequests = orDefault(c.FailureShare.MinRequests, 50)
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	if c.BaseEjection == 0 {
		c.BaseEjection = 30 * time.Second
		if c.MaxEjection > 0 {
			c.BaseEjection = min(c.BaseEjection, c.MaxEjection)
		}
	}
	if c.MaxEjection == 0 {
		c.MaxEjection = max(300*time.Second, c.BaseEjection)
	}
	if c.MaxEjected == 0 {
		c.MaxEjected = mesh.Percent(10)
	}
	if c.Rand == nil {
		c.Rand = rand.Uint64
	}
	return c, l.Err()
}

// MostEjected is how many of so many hosts can be out at once. Zero means that c
// ejects nobody, as the default of 10 % does where there are fewer than ten.
func (c Config) MostEjected(hosts int) int {
	full, err := c.withDefaults()
	if err != nil || full.DryRun {
		return 0
	}
	n := 0
	for n < hosts && full.allows(n, hosts) {
		n++
	}
	return n
}

// allows reports whether a further host may be ejected. (out+1)/hosts must not be
// more than MaxEjected.
func (c *Config) allows(out, hosts int) bool {
	return int64(out+1)*int64(mesh.Always) <= int64(c.MaxEjected)*int64(hosts) || c.AlwaysOne && out == 0 && hosts > 0
}

// orDefault reads a count of which zero is the default and negative is off.
func orDefault(n, byDefault int) int {
	if n == 0 {
		return byDefault
	}
	return max(n, 0)
}

// rates reports whether requests have to be counted.
func (c *Config) rates() bool { return c.SuccessRate.Deviations > 0 || c.FailureShare.Share > 0 }
