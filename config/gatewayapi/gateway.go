package gatewayapi

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A GatewayConfig is what the resources do not say.
type GatewayConfig struct {
	// Name is the Gateway to be served, as NAMESPACE/NAME. It may be empty where
	// there is one only.
	Name string

	// Dial makes connections to endpoints; nil is that of a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Sinks are told of each request that is sent on or answered.
	Sinks []access.Sink

	// Rand draws for splits, sessions, copies and balancing; nil is math/rand/v2.
	Rand func() uint64

	// Logger gets what happens in the background; nil is silent.
	Logger *slog.Logger
}

// A Gateway serves the routes of a Gateway: [Gateway.Handler] is what belongs on
// each port of its listeners. Certificates are those of the servers that the
// handlers are given to.
type Gateway struct {
	config GatewayConfig
	engine engine
	now    atomic.Pointer[[]listener]
}

// A listener is one of a Gateway made ready. It does not change.
type listener struct {
	port   uint16
	host   string // a name, a wildcard, or "*"
	secure bool
	routes http.RoundTripper
}

// NewGateway makes a gateway of resources. The error lists everything that keeps
// them from being carried out.
func NewGateway(c *Config, gc GatewayConfig) (*Gateway, error) {
	g := &Gateway{config: gc}
	g.engine = engine{dial: gc.Dial, rand: gc.Rand, logger: gc.Logger}
	g.engine.init()
	if err := g.Update(c); err != nil {
		g.engine.end()
		return nil, err
	}
	return g, nil
}

// Update takes new resources, all of them or none. Requests under way end as they
// began; Services that stay keep their connections and counters.
func (g *Gateway) Update(c *Config) error {
	var next []listener
	return g.engine.update(c, func(b *builder) {
		object, err := c.gateway(g.config.Name)
		if err != nil {
			b.problem("", err)
			return
		}
		next = b.listeners(object)
	}, func() { g.now.Store(&next) })
}

// gateway is the Gateway of a name, or the only one.
func (c *Config) gateway(name string) (*object[gatewaySpec], error) {
	l := check.List{Prefix: "gatewayapi"}
	switch {
	case name != "" && c.gatewayByID[name] == nil:
		l.Add("Name", name, "there is no such Gateway")
	case name != "":
		return c.gatewayByID[name], nil
	case len(c.gateways) != 1:
		l.Add("Name", nil, "is missing: there are %d Gateways", len(c.gateways))
	default:
		return c.gateways[0], nil
	}
	return nil, l.Err()
}

// listeners makes the listeners of a Gateway, the most specific host first.
func (b *builder) listeners(g *object[gatewaySpec]) []listener {
	at := map[*place][]attachment{}
	for _, r := range b.config.routes() {
		for _, ref := range r.parents {
			if !ref.isOurs() || ref.isMesh() {
				continue
			}
			list, _ := b.config.attach(r, ref)
			for _, a := range list {
				if a.place.gateway == g {
					at[a.place] = withAttachment(at[a.place], a)
				}
			}
		}
	}
	var all []listener
	for _, p := range b.config.places {
		if p.gateway != g || p.Protocol != protocolHTTP && p.Protocol != protocolHTTPS {
			continue
		}
		l := listener{port: uint16(p.Port), host: p.hostname(), secure: p.Protocol == protocolHTTPS}
		scheme := "http"
		if l.secure {
			scheme = "https"
		}
		l.routes = b.table(scheme, l.port, false, at[p])
		all = append(all, l)
	}
	slices.SortStableFunc(all, func(a, b listener) int { return moreSpecific(a.host, b.host) })
	return all
}

// withAttachment adds a route to a listener. A route of the other kind that was
// there before keeps the hosts that both are for.
func withAttachment(list []attachment, a attachment) []attachment {
	for i := range list {
		b := &list[i]
		switch {
		case b.route.kind != a.route.kind && overlap(a.hosts, b.hosts):
			return list
		case b.route == a.route: // it names the listener twice
			return list
		}
	}
	return append(list, a)
}

// find is the listener of a port for a host.
func (g *Gateway) find(port uint16, host string) *listener {
	all := *g.now.Load()
	host = strings.ToLower(host)
	for i := range all {
		if l := &all[i]; l.port == port && covers(l.host, host) {
			return l
		}
	}
	return nil
}

// Ports are those of the listeners, without TLS and with it, in ascending order.
func (g *Gateway) Ports() (plain, secure []uint16) {
	for _, l := range *g.now.Load() {
		if l.secure {
			secure = append(secure, l.port)
		} else {
			plain = append(plain, l.port)
		}
	}
	return sorted(plain), sorted(secure)
}

func sorted(ports []uint16) []uint16 {
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Handler serves the listeners of a port, whatever port the server itself has. A
// request over TLS whose Host belongs to another listener than the name by which
// the connection was made is refused with 421. The handler follows every
// [Gateway.Update].
func (g *Gateway) Handler(port uint16) http.Handler {
	send := mesh.Chain(access.Join(g.config.Sinks...).Transport, mesh.ErrorsAsResponses)(listening{g, port})
	next := forward.New(forward.Config{Client: send})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && g.find(port, r.TLS.ServerName) != g.find(port, hostOf(r)) {
			mesh.WriteError(w, r, misdirected(r))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func misdirected(r *http.Request) error {
	return &mesh.Error{
		Op: "gatewayapi", Status: http.StatusMisdirectedRequest, Stage: mesh.NotSent, Details: mesh.DetailsDirectResponse,
		Err: fmt.Errorf("the connection is for %q and the request for %q", r.TLS.ServerName, r.Host),
	}
}

func hostOf(r *http.Request) string {
	v := match.ViewOf(r)
	return v.Hostname()
}

// listening sends a request to the routes of the listener for its host.
type listening struct {
	gateway *Gateway
	port    uint16
}

// RoundTrip implements http.RoundTripper.
func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	to := l.gateway.find(l.port, hostOf(r))
	if to == nil {
		return noRoute().RoundTrip(r)
	}
	return to.routes.RoundTrip(r)
}

// Close ends all connections, those in use included.
func (g *Gateway) Close() error { return g.engine.close() }
