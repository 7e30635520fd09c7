package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
)

// A Config is one destination.
type Config struct {
	// Name is the destination's, for errors and records.
	Name string

	// Service is what the destination is known as in the mesh, for metrics.
	Service Service

	// Endpoints are where requests can go. They can be none: requests are refused
	// until there are some.
	Endpoints []lb.Endpoint

	// Retry says what is repeated. Its zero value is one retry of what is safe.
	Retry retry.Config
	// NoRetry leaves repeating to whoever is around, such as rules that each have a
	// policy of their own.
	NoRetry bool

	// Breaker says what is refused: limits, which hold for the connections too, and
	// a circuit. Its zero value refuses nothing.
	Breaker breaker.Config

	// Balance says how endpoints are chosen. Its Name and Endpoints must be empty:
	// they are those above.
	Balance lb.Config

	// Ejection says when endpoints are taken out of use. Its zero value is five
	// failures in a row, and at most half of the endpoints at once.
	Ejection outlier.Config
	// NoEjection leaves them all in use.
	NoEjection bool

	// Health checks endpoints while [Upstream.Run] runs. Its zero value checks none.
	Health Health

	// Connections says how they are kept.
	Connections Connections

	// Attempt, if set, is a layer around each attempt, between the balancer and the
	// connection: spans, or faults that retries see.
	Attempt func(http.RoundTripper) http.RoundTripper

	// TLS is how endpoints are spoken to; nil is in plain text, but for requests with
	// an https URL. Endpoints are verified by the service's name, that is by
	// ServerName or else by the Host of the request, and not by their address. It is
	// cloned.
	TLS *tls.Config

	// Dial makes connections; nil is that of a [net.Dialer].
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Transport sends the attempts in place of connections of the upstream's own, to
	// the address in the request's URL. Connections, TLS and Dial must then be empty,
	// and MaxConnections has no effect.
	Transport http.RoundTripper
}

// A Service is a host of the mesh and the namespace to which it belongs. Both may
// be empty, if they are not known.
type Service struct{ Host, Namespace string }

// Health says how endpoints are checked: by a GET, which an answer of 200 to 299
// passes, or if Path is empty by a connection. An endpoint that fails Unhealthy
// checks in a row is not used until it has passed Healthy in a row. One whose answer
// has the header x-envoy-immediate-health-check-fail is about to leave, and counts as
// failed at once.
type Health struct {
	Interval  time.Duration // between checks of an endpoint; zero is no checks
	Timeout   time.Duration // of a check; zero is 1 s
	Path      string        // to be asked for; empty is a TCP connection
	Host      string        // for the Host header; empty is the endpoint's address
	Unhealthy int           // failures in a row; zero is 3
	Healthy   int           // successes in a row; zero is 2
}

func (h Health) withDefaults() Health {
	if h.Timeout == 0 {
		h.Timeout = time.Second
	}
	if h.Unhealthy == 0 {
		h.Unhealthy = 3
	}
	if h.Healthy == 0 {
		h.Healthy = 2
	}
	return h
}

func (h Health) check(l *check.List) {
	l.NotNegative("Health.Interval", h.Interval)
	l.NotNegative("Health.Timeout", h.Timeout)
	if h.Unhealthy < 0 {
		l.Add("Health.Unhealthy", h.Unhealthy, "must not be negative")
	}
	if h.Healthy < 0 {
		l.Add("Health.Healthy", h.Healthy, "must not be negative")
	}
	if h.Path != "" && h.Path[0] != '/' {
		l.Add("Health.Path", h.Path, "must begin with a slash")
	}
	if h.Interval == 0 && (h.Path != "" || h.Host != "") {
		l.Add("Health.Interval", h.Interval, "must be set: without it nothing is checked")
	}
}

// check reports what the parts do not report themselves.
func (c *Config) check(l *check.List) {
	if c.Balance.Name != "" {
		l.Add("Balance.Name", c.Balance.Name, "must be empty: the name is Name")
	}
	if len(c.Balance.Endpoints) > 0 {
		l.Add("Balance.Endpoints", nil, "must be empty: the endpoints are Endpoints")
	}
	var cs check.List
	c.Connections.check(&cs)
	l.Include("Connections", cs.Err())
	c.Health.check(l)
	if c.Transport != nil && (c.TLS != nil || c.Dial != nil || c.Connections != Connections{}) {
		l.Add("Transport", nil, "takes the place of connections: TLS, Dial and Connections have no effect beside it")
	}
}

// ejection is the outlier configuration with this package's default.
func (c *Config) ejection() outlier.Config {
	e := c.Ejection
	if e.MaxEjected == 0 && !e.AlwaysOne {
		e.MaxEjected = mesh.Percent(50)
	}
	return e
}
