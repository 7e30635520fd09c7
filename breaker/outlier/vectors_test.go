package outlier_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/lb"
)

// watch makes a balancer of n hosts under a detector.
func watch(t *testing.T, n int, c outlier.Config) (*outlier.Detector, *lb.Balancer, []*lb.Host) {
	t.Helper()
	d, err := outlier.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	var endpoints []lb.Endpoint
	for i := range n {
		endpoints = append(endpoints, lb.Endpoint{Addr: fmt.Sprintf("10.0.0.%d:80", i+1)})
	}
	b, err := lb.New(lb.Config{Endpoints: endpoints, Observers: []lb.Observer{d}, Changed: d.Changed, NoPanic: true})
	require.NoError(t, err)
	var hosts []*lb.Host
	for h := range b.Hosts() {
		hosts = append(hosts, h)
	}
	return d, b, hosts
}

// outcomes are what an upstream of the vectors does, as attempts end here.
func outcomes(what string) (list []mesh.Outcome) {
	failed := func(err error) mesh.Outcome { return mesh.OutcomeOf(context.Background(), nil, err) }
	switch what {
	case "rst":
		return []mesh.Outcome{failed(syscall.ECONNRESET)}
	case "refused":
		return []mesh.Outcome{failed(&mesh.Error{Flag: mesh.ConnectFailure, Status: 503, Err: syscall.ECONNREFUSED})}
	case "timeout":
		return []mesh.Outcome{failed(&mesh.Error{Flag: mesh.UpstreamTimeout, Status: 504})}
	case "partial":
		return []mesh.Outcome{{Kind: mesh.Failure, Status: 200, Err: io.ErrUnexpectedEOF}}
	case "cancel":
		return []mesh.Outcome{{Kind: mesh.Neutral, Err: context.Canceled}}
	case "retry500": // one request with five retries
		for range 6 {
			list = append(list, mesh.Outcome{Kind: mesh.Failure, Status: 500})
		}
		return list
	case "grpc14":
		return []mesh.Outcome{{Kind: mesh.Failure, Status: 503}}
	case "plaingrpc14":
		return []mesh.Outcome{{Status: 200}}
	}
	status, err := strconv.Atoi(what)
	if err != nil {
		panic(what)
	}
	o := mesh.Outcome{Status: status}
	if status >= 500 {
		o.Kind = mesh.Failure
	}
	return []mesh.Outcome{o}
}

// settings are Envoy's fields in the vectors.
type settings struct {
	Consecutive5xx    *int    `json:"consecutive_5xx"`
	Gateway           *int    `json:"consecutive_gateway_failure"`
	EnforceGateway    *int    `json:"enforcing_consecutive_gateway_failure"`
	Enforce5xx        *int    `json:"enforcing_consecutive_5xx"`
	Local             *int    `json:"consecutive_local_origin_failure"`
	Split             bool    `json:"split_external_local_origin_errors"`
	Base              string  `json:"base_ejection_time"`
	Max               string  `json:"max_ejection_time"`
	Interval          string  `json:"interval"`
	RateEnforce       int     `json:"enforcing_success_rate"`
	RateHosts         int     `json:"success_rate_minimum_hosts"`
	RateVolume        int     `json:"success_rate_request_volume"`
	RateFactor        float64 `json:"success_rate_stdev_factor"`
	FailureEnforce    int     `json:"enforcing_failure_percentage"`
	FailureThreshold  *int    `json:"failure_percentage_threshold"`
	FailureHosts      int     `json:"failure_percentage_minimum_hosts"`
	FailureVolume     int     `json:"failure_percentage_request_volume"`
	MaxEjectedPercent *int    `json:"max_ejection_percent"`
}

func duration(t *testing.T, s string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	require.NoError(t, err)
	return d
}

// off is how a Config says what Envoy says with zero.
func off(n *int) int {
	switch {
	case n == nil:
		return 0
	case *n == 0:
		return -1
	}
	return *n
}

func (s settings) config(t *testing.T) outlier.Config {
	c := outlier.Config{
		Consecutive5xx: off(s.Consecutive5xx), Split: s.Split, MaxEjected: mesh.Always,
		Interval: duration(t, s.Interval), BaseEjection: duration(t, s.Base), MaxEjection: duration(t, s.Max),
	}
	if s.Split {
		c.ConsecutiveLocal = off(s.Local)
	}
	if s.EnforceGateway != nil && *s.EnforceGateway > 0 {
		if c.ConsecutiveGateway = off(s.Gateway); c.ConsecutiveGateway == 0 {
			c.ConsecutiveGateway = 5
		}
	}
	if s.Enforce5xx != nil && *s.Enforce5xx == 0 {
		if s.RateFactor > 0 || s.FailureThreshold != nil {
			c.Consecutive5xx = -1 // detected and not enforced, apart from what is judged here
		} else {
			c.DryRun = true
		}
	}
	if s.RateEnforce > 0 || s.RateFactor > 0 {
		c.SuccessRate = outlier.SuccessRate{Deviations: s.RateFactor / 1000, MinHosts: s.RateHosts, MinRequests: s.RateVolume}
	}
	if s.FailureEnforce > 0 && s.FailureThreshold != nil {
		c.FailureShare = outlier.FailureShare{Share: mesh.Percent(float64(*s.FailureThreshold)), MinHosts: s.FailureHosts, MinRequests: s.FailureVolume}
	}
	return c
}

func TestFailuresInARowEjectWhenEnvoyDoes(t *testing.T) {
	type vector struct {
		ID       string
		Config   settings
		Sequence []string
		After    *int `json:"ejected_after"`
		Stats    map[string]uint64
	}
	for _, v := range corpus.Cases[vector](t, "envoy/outlier_consecutive") {
		t.Run(v.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := v.Config.config(t)
				c.Interval, c.BaseEjection = time.Hour, time.Hour
				d, _, hosts := watch(t, 1, c)
				var after *int
				for i, what := range v.Sequence {
					for _, o := range outcomes(what) {
						if !hosts[0].Ejected() { // an ejected host gets no attempts: there is no panic
							d.Observe(hosts[0], o)
						}
					}
					if n := i + 1; after == nil && hosts[0].Ejected() {
						after = &n
					}
				}
				require.Equal(t, v.After, after)
				require.Equal(t, v.Stats["ejections_enforced_total"], d.Stats().Enforced)
				require.Equal(t, v.Stats["ejections_detected_consecutive_5xx"]+v.Stats["ejections_detected_consecutive_gateway_failure"]+
					v.Stats["ejections_detected_consecutive_local_origin_failure"], d.Stats().Detected)
			})
		})
	}
}

func TestNoMoreHostsAreEjectedThanAllowed(t *testing.T) {
	type vector struct {
		Always  bool `json:"always_eject_one_host"`
		Ejected int
		Hosts   int
		Percent int `json:"max_ejection_percent"`
	}
	for _, v := range corpus.Cases[vector](t, "envoy/outlier_max_ejection") {
		share := mesh.Percent(float64(v.Percent))
		if v.Percent == 0 {
			share = 1 // zero is the default here; a millionth of these hosts is none as well
		}
		d, _, hosts := watch(t, v.Hosts, outlier.Config{Consecutive5xx: 1, MaxEjected: share, AlwaysOne: v.Always})
		for _, h := range hosts {
			d.Observe(h, mesh.Outcome{Kind: mesh.Failure, Status: 500})
		}
		require.Equal(t, v.Ejected, d.Stats().Ejected, "%+v", v)
		n := 0
		for _, h := range hosts {
			if h.Ejected() {
				n++
			}
		}
		require.Equal(t, v.Ejected, n, "%+v", v)
	}
}

func TestRatesEjectWhomEnvoyEjects(t *testing.T) {
	type vector struct {
		ID       string
		Config   settings
		Ejected  int
		Fail     []float64 `json:"fail_percent"`
		Requests int       `json:"requests_per_host"`
	}
	for _, v := range corpus.Cases[vector](t, "envoy/outlier_rates") {
		if v.ID == "fp-0-threshold" {
			continue // Envoy's threshold of zero ejects hosts that never fail; here zero is off
		}
		t.Run(v.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := v.Config.config(t)
				c.Interval = time.Second
				if v.Config.MaxEjectedPercent != nil {
					c.MaxEjected = mesh.Percent(float64(*v.Config.MaxEjectedPercent))
				}
				d, _, hosts := watch(t, len(v.Fail), c)
				for i, h := range hosts {
					failures := int(math.Round(v.Fail[i] / 100 * float64(v.Requests)))
					for n := range v.Requests {
						if n < failures {
							d.Observe(h, mesh.Outcome{Kind: mesh.Failure, Status: 503})
						} else {
							d.Observe(h, mesh.Outcome{Status: 200})
						}
					}
				}
				time.Sleep(time.Second)
				d.Sweep(time.Now())
				require.Equal(t, v.Ejected, d.Stats().Ejected)
			})
		})
	}
}

func TestHostsReturnWhenEnvoyBringsThemBack(t *testing.T) {
	type vector struct {
		ID     string
		Config settings
		Lasted []float64 `json:"ejected_for_s"`
		Rests  []float64 `json:"rest_before_s"`
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for _, v := range corpus.Cases[vector](t, "envoy/outlier_time") {
		t.Run(v.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := v.Config.config(t)
				c.Consecutive5xx = 2
				d, _, hosts := watch(t, 1, c)
				defer d.Close()
				// A host comes back with a tick: where the first burst stood between two of
				// them is not recorded, but follows from how long the first ejection took.
				interval := c.Interval
				time.Sleep(interval - seconds(v.Lasted[0])%interval)
				// Measured within 30 ms each way, and the phase of short ticks drifts.
				room := 0.06 + min(interval, 100*time.Millisecond).Seconds()/2
				for i, rest := range v.Rests {
					time.Sleep(seconds(rest) + 15*time.Millisecond)
					began := time.Now()
					for range 2 {
						d.Observe(hosts[0], mesh.Outcome{Kind: mesh.Failure, Status: 500})
					}
					require.True(t, hosts[0].Ejected())
					for hosts[0].Ejected() {
						time.Sleep(time.Millisecond)
					}
					require.InDelta(t, v.Lasted[i], time.Since(began).Seconds(), room, "ejection %d", i+1)
				}
			})
		})
	}
}
