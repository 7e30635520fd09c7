package istio

import (
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/upstream"
)

// GatewayConfig is what the resources do not say of a gateway.
type GatewayConfig struct {
	// Workload is the process as Gateway resources select it, by its labels, whatever
	// their namespace.
	Workload Workload

	// Gateway is namespace/name of the one Gateway to serve, if not all that select
	// the workload; without labels it need not select it.
	Gateway string

	// Credentials brings the certificate that a server names by credentialName. Nil
	// and an empty CredentialDir refuse resources with such names.
	Credentials func(name string) (Credential, error)

	// CredentialDir is a folder with one folder for each credentialName, as secrets
	// are mounted: tls.crt, tls.key and, for the roots of clients and what they have
	// revoked, ca.crt and ca.crl. It is used where Credentials is nil.
	CredentialDir string

	// Bind is the address on which the user's servers listen, without a port. Servers of
	// resources whose bind is another one are refused, and without Bind all that have
	// one: somebody wants them to be reached from there alone.
	Bind string

	// Identity serves TLS in mode ISTIO_MUTUAL, and is shown to destinations whose TLS
	// mode that is. Both are refused without one.
	Identity *mtls.Identity

	// Providers, Tokens and TrustedHops are for AuthorizationPolicies and
	// RequestAuthentications of the workload, as in [ServerConfig]. Zero hops are those of
	// MeshConfig's defaultConfig.gatewayTopology.numTrustedProxies; without these the
	// first client is the one that connects. Trusted proxies are also believed in
	// X-Forwarded-Proto.
	Providers   map[string]func(*http.Request) (authz.Answer, error)
	Tokens      func([]*security.JWTRule) (func(*http.Request) (*http.Request, error), error)
	TrustedHops int

	// Dial makes connections to endpoints; nil is that of a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Attempt, if set, is a layer around each attempt to reach an endpoint, those to
	// send copies included: what makes spans of them.
	Attempt func(http.RoundTripper) http.RoundTripper

	// MeshAttempt is one inside of Attempt for destinations in the mesh, which are all
	// but those of ServiceEntries with the location MESH_EXTERNAL: what these must not
	// be told, such as who calls.
	MeshAttempt func(http.RoundTripper) http.RoundTripper

	// Sinks are told of each request that a route was looked up for.
	Sinks []access.Sink

	// Rand draws for splits, faults and balancing; nil is math/rand/v2.
	Rand func() uint64

	// Logger gets what happens in the background; nil is silent.
	Logger *slog.Logger
}

// A Gateway serves Gateway resources and the VirtualServices that are bound to them
// (Istio's ingress gateway). It is an [http.Handler] for servers that its user
// runs, one for each port:
//
//	plain := &http.Server{Addr: ":80", Handler: gateway}
//	secure := &http.Server{Addr: ":443", Handler: gateway, TLSConfig: gateway.TLSConfig(443)}
//
// AuthorizationPolicies that select the workload hold here, too; PeerAuthentications
// do not, since the servers say themselves which TLS they take. A host that no route
// is for gets 404.
type Gateway struct {
	mesh     *build.Mesh
	server   *Server // who is let in
	logger   *slog.Logger
	handlers sync.Map // of http.Handler, by port
}

// NewGateway makes a gateway of resources. The error lists everything that keeps
// them from being carried out: TLS in mode PASSTHROUGH or AUTO_PASSTHROUGH,
// protocols that are not HTTP's, certificates that cannot be had, and that there is
// no Gateway for the workload.
func NewGateway(c *Config, gc GatewayConfig) (*Gateway, error) {
	if err := c.carriedOut(); err != nil {
		return nil, err
	}
	sc := ServerConfig{
		Workload: gc.Workload, Identity: gc.Identity,
		Providers: gc.Providers, Tokens: gc.Tokens, TrustedHops: gc.TrustedHops, Dial: gc.Dial, Logger: gc.Logger,
	}
	server, err := newServer(c, sc, true)
	if err != nil {
		return nil, err
	}
	m, err := build.New(c.world(), build.Options{
		Client:   gc.Workload.client(),
		Gateway:  &build.Gateway{Name: gc.Gateway, Credential: gc.credential(), Identity: gc.Identity, Bind: gc.Bind},
		Identity: gc.Identity, Dial: gc.Dial, Sink: access.Join(gc.Sinks...), ProxyHeaders: true, Attempt: gc.Attempt, MeshAttempt: gc.MeshAttempt,
		Rand: gc.Rand, Logger: gc.Logger,
	})
	if err != nil {
		server.Close() //nolint:errcheck // nobody has used it
		return nil, err
	}
	return &Gateway{mesh: m, server: server, logger: gc.Logger}, nil
}

// ServeHTTP implements [http.Handler]. A request is one for the port on which it
// came. Where no server is for that, as behind a mapping of ports, it is one for
// the lowest port that the resources serve in the same way, with TLS or without.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.Handler(g.port(r)).ServeHTTP(w, r)
}

// port is the one that a request is for.
func (g *Gateway) port(r *http.Request) uint16 {
	plain, secure := g.mesh.Ports()
	if r.TLS != nil {
		plain = secure
	}
	port := portServed(r)
	if !slices.Contains(plain, port) && len(plain) > 0 {
		port = plain[0]
	}
	return port
}

// Handler serves requests as ones for a port, whichever they came on.
func (g *Gateway) Handler(port uint16) http.Handler {
	if h, ok := g.handlers.Load(port); ok {
		return h.(http.Handler)
	}
	next := forward.New(forward.Config{Client: g.mesh, Port: port})
	h, _ := g.handlers.LoadOrStore(port, edge{g.mesh, g.server, port, g.server.door(next)})
	return h.(http.Handler)
}

// TLSConfig is for a server of a port with TLS; nil is for one without. What it
// serves follows updates: the server of the name that the client asks for, or none,
// which ends the handshake.
func (g *Gateway) TLSConfig(port uint16) *tls.Config { return g.mesh.TLS(port) }

// Ports are those that the resources serve, without TLS and with it, in ascending
// order.
func (g *Gateway) Ports() (plain, secure []uint16) { return g.mesh.Ports() }

// Update takes new resources, all of them or none, and reads certificates again.
// Requests under way end as they began.
func (g *Gateway) Update(c *Config) error {
	if err := c.carriedOut(); err != nil {
		return err
	}
	if _, err := g.server.prepare(c); err != nil {
		return err
	}
	if err := g.mesh.Update(c.world()); err != nil {
		return err
	}
	return g.server.Update(c)
}

// certificatesEvery is how often Run looks for new certificates.
const certificatesEvery = 10 * time.Second

// Run keeps current, until ctx ends, the endpoints that are given by name and the
// certificates. While new certificates are not good the old ones stay.
func (g *Gateway) Run(ctx context.Context) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { g.watchCertificates(ctx) })
	watch.Go(func() { g.server.Run(ctx) }) //nolint:errcheck // it ends with ctx
	return g.mesh.Run(ctx)
}

// watchCertificates reports each failure once.
func (g *Gateway) watchCertificates(ctx context.Context) {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := ""
		if err := g.mesh.RefreshTLS(); err != nil {
			now = err.Error()
		}
		if now != said && now != "" && g.logger != nil {
			g.logger.Error("new certificates are not used, the last good ones stay in force", "err", now)
		}
		said = now
	}
}

// Upstreams is as [Client.Upstreams].
func (g *Gateway) Upstreams() iter.Seq[*upstream.Upstream] { return g.mesh.Upstreams() }

// Close ends all connections to endpoints, those in use included.
func (g *Gateway) Close() error { return errors.Join(g.mesh.Close(), g.server.Close()) }

// An edge makes headers by which a caller could pose as a proxy say what is known
// of the connection. Of a client's certificate that was verified it tells all of
// it, in place of what the client says (Envoy's SANITIZE_SET).
type edge struct {
	mesh   *build.Mesh
	server *Server
	port   uint16
	next   http.Handler
}

// ServeHTTP implements http.Handler.
func (e edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	if said := r.Header["X-Forwarded-Proto"]; len(said) == 0 || e.server.now.Load().hops == 0 {
		proto := "http"
		if r.TLS != nil {
			proto = "https"
		}
		r.Header["X-Forwarded-Proto"] = []string{proto}
	}
	delete(r.Header, peer.ForwardedCert)
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		by := e.mesh.ServedURI(e.port, r.TLS.ServerName)
		r.Header[peer.ForwardedCert] = []string{peer.Forwarded(by, r.TLS.VerifiedChains[0][0], true)}
	}
	delete(r.Header, externalAddress)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		hops := strings.Join(append(slices.Clone(r.Header["X-Forwarded-For"]), host), ",")
		r.Header["X-Forwarded-For"] = []string{hops}
		r.Header[externalAddress] = []string{entered(strings.Split(hops, ","), e.server.now.Load().hops)}
	}
	e.next.ServeHTTP(w, r)
}

// externalAddress tells servers where a request entered the mesh from. As with Envoy
// that is any address, also one that looks like the mesh's own.
const externalAddress = "X-Envoy-External-Address"

// entered is the address before those of trusted proxies, or else the connection's,
// which is the last.
func entered(hops []string, trusted int) string {
	if len(hops) > trusted {
		if a, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1-trusted])); err == nil {
			return a.String()
		}
	}
	return hops[len(hops)-1]
}
