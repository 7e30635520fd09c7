package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/upstream"
)

// A footprint is what something keeps on the heap while nothing happens.
type footprint struct {
	Name       string `json:"name"`
	Number     int    `json:"number"`
	Each       int    `json:"bytes_each"`
	Goroutines int    `json:"goroutines"` // of all together
}

// A keeper makes a number of things and returns what keeps them alive, and how they
// end.
type keeper struct {
	name   string
	number int
	make   func(n int) (kept any, end func())
}

// A fleet is a middling company's: so many services, each with so many pods and
// rules.
const (
	fleetUpstreams = 300
	fleetEndpoints = 100
	fleetRules     = 5
)

var keepers = []keeper{
	{"Memory/upstream", 1000, idleUpstreams},
	{"Memory/endpoint", 10_000, func(n int) (any, func()) {
		u := made(upstream.New(upstream.Config{Name: "reviews", Endpoints: endpoints(n)}))
		return u, closing(u)
	}},
	{"Memory/route", 10_000, func(n int) (any, func()) { return headerTable(n), nil }},
	{"Memory/limiter-key", 100_000, func(n int) (any, func()) {
		l := made(limit.New(limit.Config{Rate: 1, Key: match.HeaderKey("X-User"), MaxKeys: n}))
		now := time.Now()
		for i := range n {
			l.Allow(strconv.Itoa(i), now)
		}
		return l, nil
	}},
	{"Memory/circuit-key", 10_000, circuitKeys},
	{"Memory/fleet", 1, func(int) (any, func()) { return codeFleet() }},
	{"Memory/fleet-yaml", 1, func(int) (any, func()) {
		config := made(istio.Parse("fleet.yaml", bytes.NewReader(yamlFleet())))
		c := made(istio.NewClient(config, istio.ClientConfig{}))
		return c, func() { must(c.Close()) }
	}},
}

// footprints measures all whose name matches.
func footprints(only *regexp.Regexp) []footprint {
	var all []footprint
	for _, k := range keepers {
		if only.MatchString(k.name) {
			all = append(all, k.measure())
		}
	}
	return all
}

func (k keeper) measure() footprint {
	// The first fills what is there only once, such as tables of types.
	if _, end := k.make(1); end != nil {
		end()
	}
	before, goroutines := live(), runtime.NumGoroutine()
	kept, end := k.make(k.number)
	f := footprint{Name: k.name, Number: k.number, Each: max(0, int(live()-before)/k.number), Goroutines: runtime.NumGoroutine() - goroutines}
	runtime.KeepAlive(kept)
	if end != nil {
		end()
	}
	return f
}

// live is what is reachable on the heap.
func live() int64 {
	runtime.GC() // once for what pools still keep,
	runtime.GC() // and once for what they have let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func closing(all ...*upstream.Upstream) func() {
	return func() {
		for _, u := range all {
			must(u.Close())
		}
	}
}

func idleUpstreams(n int) (any, func()) {
	all := make([]*upstream.Upstream, n)
	for i := range all {
		all[i] = made(upstream.New(upstream.Config{Name: "s" + strconv.Itoa(i), Retry: retries(), Breaker: circuit()}))
	}
	return all, closing(all...)
}

func circuitKeys(n int) (any, func()) {
	b := made(breaker.New(breaker.Config{
		Trip: breaker.Trip{Consecutive: 5}, MaxKeys: n,
		Key: func(r *http.Request) (string, bool) { return r.Header.Get("X-User"), true },
	}))
	layer := b.Transport(stub)
	for i := range n {
		r := request(context.Background())
		r.Header.Set("X-User", strconv.Itoa(i))
		made(layer.RoundTrip(r)).Body.Close()
	}
	return b, nil
}

// codeFleet is the fleet made in code.
func codeFleet() (any, func()) {
	all := make([]*upstream.Upstream, fleetUpstreams)
	var rules []route.ClientRule
	for i := range all {
		all[i] = made(upstream.New(upstream.Config{
			Name: "s" + strconv.Itoa(i), Endpoints: endpoints(fleetEndpoints), Retry: retries(), Breaker: circuit(),
		}))
		for k := range fleetRules {
			rules = append(rules, route.ClientRule{
				Name: "r" + strconv.Itoa(k), Hosts: []string{hostOf(i)}, Value: mesh.Chain(faults().Transport, bound().Transport)(all[i]),
				Match: []match.Request{{
					Path:    match.Prefix("/api/" + strconv.Itoa(k)),
					Headers: []match.Field{{Name: "X-Version", Value: match.Exact(strconv.Itoa(k))}},
				}},
			})
		}
	}
	table := made(route.New(rules...))
	return []any{all, table}, closing(all...)
}

func hostOf(i int) string { return "s" + strconv.Itoa(i) + ".example" }

// yamlFleet is the fleet as Istio's resources.
func yamlFleet() []byte {
	var b bytes.Buffer
	for i := range fleetUpstreams {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s%d}\n", i)
		fmt.Fprintf(&b, "spec:\n  hosts: [%s]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints:\n", hostOf(i))
		for k := range fleetEndpoints {
			fmt.Fprintf(&b, "  - {address: 10.%d.%d.%d}\n", i>>8, i&255, k+1)
		}
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s%d}\n", i)
		fmt.Fprintf(&b, "spec:\n  hosts: [%s]\n  http:\n", hostOf(i))
		for k := range fleetRules {
			fmt.Fprintf(&b, "  - name: r%d\n    match: [{uri: {prefix: /api/%[1]d}, headers: {x-version: {exact: \"%[1]d\"}}}]\n", k)
			fmt.Fprintf(&b, "    route: [{destination: {host: %s}}]\n    timeout: 1s\n    retries: {attempts: 2, retryOn: 5xx}\n", hostOf(i))
		}
	}
	return b.Bytes()
}
