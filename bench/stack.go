package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/telemetry/metrics"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

const deadline = time.Second

var canary = match.Request{Headers: []match.Field{{Name: "X-Canary", Value: match.Exact("true")}}}

// layers are each layer alone, at rest, over the stub.
var layers = map[string]func() http.RoundTripper{
	"match": func() http.RoundTripper {
		m := made(match.New(canary))
		return transport(func(r *http.Request) (*http.Response, error) {
			if m.Match(r) {
				panic("the request is no canary's")
			}
			return stub(r)
		})
	},
	"route":    func() http.RoundTripper { return routed(stub, stub) },
	"split":    func() http.RoundTripper { return divided(stub, stub) },
	"fault":    func() http.RoundTripper { return faults().Transport(stub) },
	"timeout":  func() http.RoundTripper { return bound().Transport(stub) },
	"retry":    func() http.RoundTripper { return made(retry.New(retries())).Transport(stub) },
	"breaker":  func() http.RoundTripper { return made(breaker.New(circuit())).Transport(stub) },
	"observed": func() http.RoundTripper { return observed().Transport(stub) },
	"mirror": func() http.RoundTripper {
		return made(mirror.New(mirror.Config{To: stub})).Transport(stub)
	},
	"lb": func() http.RoundTripper {
		return made(lb.New(lb.Config{Endpoints: endpoints(3)})).Transport(stub)
	},
}

// observed is told of each request: metrics count it, and one in a hundred is
// logged.
func observed() access.Sink {
	counted := made(metrics.New(metrics.Config{Registerer: prometheus.NewRegistry()}))
	return access.Join(counted.Source, access.Sampled(100, made(access.Envoy(io.Discard, access.IstioText))))
}

func routed(toCanary, other http.RoundTripper) http.RoundTripper {
	return route.Transport(made(route.New(
		route.ClientRule{Name: "canary", Match: []match.Request{canary}, Value: toCanary},
		route.ClientRule{Name: "default", Value: other},
	)))
}

func divided(stable, toCanary http.RoundTripper) http.RoundTripper {
	return split.Transport(made(split.New(
		split.ClientBranch{Name: "stable", Weight: 90, Value: stable},
		split.ClientBranch{Name: "canary", Weight: 10, Value: toCanary},
	)))
}

func faults() *fault.Injector { return made(fault.New(fault.Config{})) }

func bound() *timeout.Timeout { return made(timeout.New(timeout.Config{Total: deadline})) }

func retries() retry.Config {
	return retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, Backoff: retry.Backoff{Base: 1}}
}

func circuit() breaker.Config {
	return breaker.Config{Trip: breaker.Trip{Consecutive: 5}, Limits: breaker.LimitsConfig{MaxRequests: 1024}}
}

// A stack is a whole client: routes, a split, faults, a deadline, and what belongs
// to each of its two destinations.
type stack struct {
	stable, canary []lb.Endpoint
	timeout        bool
	failing        bool // first attempts fail

	last        http.RoundTripper // nil is connections of its own
	connections upstream.Connections
	tls         *tls.Config
}

func (s stack) build() http.RoundTripper {
	stable, toCanary := s.upstream("stable", s.stable), s.upstream("canary", s.canary)
	var limit func(http.RoundTripper) http.RoundTripper
	if s.timeout {
		limit = bound().Transport
	}
	return mesh.Chain(faults().Transport, limit)(routed(toCanary, divided(stable, toCanary)))
}

func (s stack) upstream(name string, to []lb.Endpoint) http.RoundTripper {
	c := upstream.Config{
		Name: name, Endpoints: to, Retry: retries(), Breaker: circuit(),
		Transport: s.last, Connections: s.connections, TLS: s.tls,
	}
	if s.failing {
		// A budget that is a share of requests would soon be spent, and with half of
		// all attempts failing some host would meet five in a row.
		c.Retry.Budget = made(retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 1024}))
		c.Ejection = outlier.Config{Consecutive5xx: 1000}
	}
	return made(upstream.New(c))
}

func fullStack() http.RoundTripper {
	return stack{stable: endpoints(3), canary: endpoints(3), timeout: true, last: stub}.build()
}

func withoutTimeout() http.RoundTripper {
	return stack{stable: endpoints(3), canary: endpoints(3), last: stub}.build()
}
