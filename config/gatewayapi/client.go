package gatewayapi

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/internal/kube"
)

// A ClientConfig is what the resources do not say. Its zero value is a workload of
// the namespace default.
type ClientConfig struct {
	// Namespace is that of the workload: short names are looked up in it, and its
	// routes for Services of other namespaces are for it alone.
	Namespace string

	// Dial makes connections to endpoints; nil is that of a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Sinks are told of each request.
	Sinks []access.Sink

	// Unknown sends requests to hosts that are no Service, such as the addresses of
	// pods. Nil refuses them with 502.
	Unknown http.RoundTripper

	// Rand draws for splits, sessions, copies and balancing; nil is math/rand/v2.
	Rand func() uint64

	// Logger gets what happens in the background; nil is silent.
	Logger *slog.Logger
}

// A Client sends the requests of a workload as the routes of Services say. The host
// of a request's URL names the Service, whatever its Host header says: NAME,
// NAME.NAMESPACE, NAME.NAMESPACE.svc, with the cluster's domain, or its cluster IP.
// It is an [http.RoundTripper] for an [http.Client], and answers with a proxy's
// replies where a request is refused or fails; [mesh.ErrorOf] finds the error
// behind a reply.
type Client struct {
	config ClientConfig
	engine engine
	entry  http.RoundTripper
	now    atomic.Pointer[registry]
}

// A registry is the Services as one namespace sees them. It does not change.
type registry struct {
	ports     map[authority]http.RoundTripper
	addresses map[string]string // of Services, to their namespace/name
}

// An authority is what a request is sent to: a port of a Service.
type authority struct {
	service string // as namespace/name
	port    uint16
}

// NewClient makes a client of resources. The error lists everything that keeps
// them from being carried out.
func NewClient(c *Config, cc ClientConfig) (*Client, error) {
	cc.Namespace = cmp.Or(cc.Namespace, "default")
	client := &Client{config: cc}
	client.engine = engine{dial: cc.Dial, rand: cc.Rand, logger: cc.Logger}
	client.engine.init()
	client.entry = mesh.Chain(access.Join(cc.Sinks...).Transport, mesh.ErrorsAsResponses)(dispatch{client})
	if err := client.Update(c); err != nil {
		client.engine.end()
		return nil, err
	}
	return client, nil
}

// RoundTrip implements [http.RoundTripper].
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) { return c.entry.RoundTrip(r) }

// Update takes new resources, all of them or none. Requests under way end as they
// began; Services that stay keep their connections and counters.
func (c *Client) Update(config *Config) error {
	next := &registry{ports: map[authority]http.RoundTripper{}, addresses: map[string]string{}}
	return c.engine.update(config, func(b *builder) {
		routes := config.routesByService(c.config.Namespace)
		for _, s := range config.services {
			if ip := s.spec.ClusterIP; ip != "" && ip != kube.Headless {
				next.addresses[ip] = s.id()
			}
			for i := range s.spec.Ports {
				port := &s.spec.Ports[i]
				next.ports[authority{s.id(), uint16(port.Port)}] = b.servicePort(s, port, routes[s.id()])
			}
		}
	}, func() { c.now.Store(next) })
}

// servicePort is what requests to a port of a Service meet: the routes for it, or
// without any just its endpoints.
func (b *builder) servicePort(s *object[kube.Service], port *kube.ServicePort, routes []meshRoute) http.RoundTripper {
	var list []attachment
	for _, m := range routes {
		if m.port == 0 || m.port == int32(port.Port) {
			list = append(list, attachment{route: m.route, hosts: []string{anyHost}})
		}
	}
	if list = preferGRPC(list); len(list) > 0 {
		return b.table("http", uint16(port.Port), true, list)
	}
	t, reason := targetOf(s, port, false)
	if reason != reasonResolved {
		return nowhere(false, reason)
	}
	to, err := b.cluster(t, false)
	if err != nil {
		b.problem(s.source(), err)
	}
	return to
}

// preferGRPC leaves out HTTPRoutes where there is a GRPCRoute: one port has routes
// of one kind.
func preferGRPC(list []attachment) []attachment {
	var grpc []attachment
	for _, a := range list {
		if a.route.kind == "GRPCRoute" {
			grpc = append(grpc, a)
		}
	}
	if grpc != nil {
		return grpc
	}
	return list
}

// A meshRoute is a route of a Service, for one of its ports or for all (zero).
type meshRoute struct {
	route *routeObject
	port  int32
}

// routesByService are the routes of Services as a namespace sees them: its own for
// Services of others, and where it has none those of the Service's namespace.
func (c *Config) routesByService(namespace string) map[string][]meshRoute {
	own, producers := map[string][]meshRoute{}, map[string][]meshRoute{}
	for _, r := range c.routes() {
		for _, ref := range r.parents {
			if !ref.isMesh() {
				continue
			}
			s, reason := c.attachMesh(r, ref)
			if reason != reasonAccepted {
				continue
			}
			m := meshRoute{r, or(ref.Port, 0)}
			switch r.namespace {
			case s.namespace:
				producers[s.id()] = append(producers[s.id()], m)
			case namespace:
				own[s.id()] = append(own[s.id()], m)
			}
		}
	}
	for service, routes := range producers {
		if own[service] == nil {
			own[service] = routes
		}
	}
	return own
}

// Close ends all connections, those in use included.
func (c *Client) Close() error { return c.engine.close() }

// dispatch sends a request to the routes of the Service that it is for.
type dispatch struct{ client *Client }

// RoundTrip implements http.RoundTripper.
func (d dispatch) RoundTrip(r *http.Request) (*http.Response, error) {
	now := d.client.now.Load()
	host, port := splitAuthority(r)
	for _, service := range [...]string{now.addresses[host], serviceID(host, d.client.config.Namespace)} {
		if to := now.ports[authority{service, port}]; to != nil {
			return to.RoundTrip(r)
		}
	}
	if d.client.config.Unknown != nil {
		return d.client.config.Unknown.RoundTrip(r)
	}
	return refusal{status: http.StatusBadGateway, details: mesh.DetailsDirectResponse, reason: "no Service has the name and port " + r.URL.Host}.RoundTrip(r)
}

// splitAuthority is the host and port that a URL asks for.
func splitAuthority(r *http.Request) (host string, port uint16) {
	host, port = r.URL.Hostname(), 80
	if r.URL.Scheme == "https" {
		port = 443
	}
	if n, err := strconv.ParseUint(r.URL.Port(), 10, 16); err == nil {
		port = uint16(n)
	}
	return host, port
}

// serviceID is the Service that a host names, seen from a namespace, as
// namespace/name.
func serviceID(host, namespace string) string {
	host = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(host), "."), "."+clusterDomain)
	host = strings.TrimSuffix(host, ".svc")
	name, in, qualified := strings.Cut(host, ".")
	if !qualified {
		in = namespace
	}
	return in + "/" + name
}
