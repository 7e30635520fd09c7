package istio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/config/internal/plan"
	inbound "github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/mtls"
)

// ServerConfig is what the resources do not say. Its zero value is a workload of
// the namespace default without an identity.
type ServerConfig struct {
	// Workload is the process as resources select it, by its namespace and labels.
	Workload Workload

	// Identity is the workload's. Without one it takes plain text only, and
	// resources that demand mutual TLS are refused.
	Identity *mtls.Identity

	// Providers decide requests for AuthorizationPolicies with the action CUSTOM, by
	// the names that these give them: whether to let a request through. An error
	// refuses it; one that is a [*mesh.Error] also says how. A name that is not here is
	// one of MeshConfig.extensionProviders of the kind envoyExtAuthzHttp.
	Providers map[string]func(*http.Request) (authz.Answer, error)

	// Tokens makes what verifies the tokens of requests by the rules of
	// RequestAuthentication resources. It gives the request to go on with, whose
	// context has the claims of a good token (see [authz.WithClaims]), or an error for
	// a bad one. Without it such resources are refused, since nothing would verify
	// what they ask to verify. Package config/requestauth makes one.
	Tokens func([]*security.JWTRule) (func(*http.Request) (*http.Request, error), error)

	// TrustedHops is how many proxies before the one that connects are believed in
	// X-Forwarded-For, for conditions on the first client's address: Envoy's
	// xff_num_trusted_hops. With zero, as with a sidecar, the last address of the
	// header counts, which any caller can write who reaches this server directly.
	TrustedHops int

	// Sinks are told of each request.
	Sinks []access.Sink

	// ProxyHeaders does to headers what a sidecar does on its own: it adds
	// x-request-id, x-forwarded-proto and x-envoy-upstream-service-time, tells its name
	// in server, and removes the x-envoy headers by which callers steer an Envoy.
	ProxyHeaders bool

	// Dial makes connections to the services that extensionProviders name; nil is that
	// of a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Logger gets what happens in the background; nil is silent.
	Logger *slog.Logger
}

// A Server lets in what the resources let in to a workload: connections by
// PeerAuthentication, tokens by RequestAuthentication, requests by
// AuthorizationPolicy and as many of them as a RateLimit says. Serve through its
// [Server.Listener] and its [Server.Handler].
type Server struct {
	config     ServerConfig
	edge       bool              // of a gateway: Gateway resources say what PeerAuthentication says of other workloads
	custom     *authz.Authorizer // of policies with the action CUSTOM, which come before tokens
	authorizer *authz.Authorizer // of the others
	services   *build.Mesh       // that providers ask
	now        atomic.Pointer[admission]
	update     sync.Mutex // one at a time
}

// admission is what is in force besides the policies.
type admission struct {
	modes  *inbound.Modes
	asks   bool                                       // whether there are policies with the action CUSTOM
	verify func(*http.Request) (*http.Request, error) // nil: there are no rules for tokens
	limits []*limitedRule
	hops   int            // see [ServerConfig.TrustedHops]
	world  *inbound.World // what it was made of
}

// A next is what is to be in force.
type next struct {
	*admission
	custom, policies authz.Config
	services         *plan.World // with those that providers ask alone
}

// NewServer makes a server of resources. The error lists everything that keeps
// them from being carried out: a server that could not keep out whom they keep out
// does not start.
func NewServer(c *Config, sc ServerConfig) (*Server, error) {
	return newServer(c, sc, false)
}

func newServer(c *Config, sc ServerConfig, edge bool) (*Server, error) {
	s := &Server{config: sc, edge: edge}
	var err error
	if s.services, err = build.New(&plan.World{}, build.Options{
		Client: sc.Workload.client(), Dial: sc.Dial, Identity: sc.Identity, Logger: sc.Logger,
	}); err != nil {
		return nil, err
	}
	if err := s.begin(c); err != nil {
		s.services.Close() //nolint:errcheck // nobody has used them
		return nil, err
	}
	return s, nil
}

// begin takes the first resources.
func (s *Server) begin(c *Config) error {
	n, err := s.prepare(c)
	if err != nil {
		return err
	}
	if s.custom, err = authz.New(n.custom); err != nil {
		return err
	}
	if s.authorizer, err = authz.New(n.policies); err != nil {
		return err
	}
	if err := s.services.Update(n.services); err != nil {
		return err
	}
	s.now.Store(n.admission)
	return nil
}

// Update takes new resources, all of them or none: with an error the last good
// ones stay in force. Connections that are open stay, but a request in plain text
// is refused once mutual TLS is demanded.
func (s *Server) Update(c *Config) error {
	s.update.Lock()
	defer s.update.Unlock()
	n, err := s.prepare(c)
	if err != nil {
		return err
	}
	if err := s.services.Update(n.services); err != nil {
		return err
	}
	// What could be wrong with policies and limits was found out before.
	if err := errors.Join(
		s.custom.Update(n.custom), s.authorizer.Update(n.policies), keepBuckets(s.now.Load().limits, n.limits),
	); err != nil {
		return err
	}
	s.now.Store(n.admission)
	return nil
}

// Run keeps the endpoints current of services that extensionProviders name, until
// ctx ends. A server without such providers need not be run.
func (s *Server) Run(ctx context.Context) error { return s.services.Run(ctx) }

// Close ends the connections to these services.
func (s *Server) Close() error { return s.services.Close() }

// Stats counts decisions of AuthorizationPolicies.
func (s *Server) Stats() authz.Stats {
	stats := s.authorizer.Stats()
	stats.Denied += s.custom.Stats().Denied
	return stats
}

// prepare works out what is to be in force and changes nothing.
func (s *Server) prepare(c *Config) (*next, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	w := &inbound.World{
		PeerAuthentications:    planned(c.PeerAuthentications()),
		RequestAuthentications: planned(c.RequestAuthentications()),
		AuthorizationPolicies:  planned(c.AuthorizationPolicies()),
		Mesh:                   c.MeshConfig().Spec,
	}
	if s.edge {
		w.PeerAuthentications = nil
	}
	to := inbound.Workload{Namespace: s.config.Workload.Namespace, Labels: s.config.Workload.Labels}
	n := &next{admission: &admission{modes: w.ModesOf(to), world: w}}
	providers, errProviders := s.providers(c, w, to, n)
	domains, errDomains := s.trustDomains(w)
	policies, errPolicies := w.Policies(to, inbound.Options{TrustDomains: domains, Providers: providers})
	n.hops = s.trustedHops(w)
	policies.TrustedHops = n.hops + 1
	policies.Paths = plan.PathOptions(w.Mesh)
	policies.RawPaths = policies.Paths == 0
	n.split(policies)
	var errTokens, errMode, errLimits error
	n.verify, errTokens = s.verifier(w, to)
	n.limits, errLimits = c.limitedRules(w, to)
	if source, needed := n.modes.Needs(mtls.Strict); needed && s.config.Identity == nil {
		errMode = &mesh.Problem{Source: source, Field: "spec.mtls.mode", Value: "STRICT", Reason: "needs an identity, and the server has none"}
	}
	return n, errors.Join(errDomains, s.minVersion(c), errMode, errTokens, errProviders, errPolicies, errLimits)
}

// split takes policies apart: between those with the action CUSTOM and the others a
// sidecar looks at tokens.
func (n *next) split(all authz.Config) {
	n.custom, n.policies = all, all
	n.custom.Policies, n.policies.Policies = nil, nil
	for _, p := range all.Policies {
		if p.Action == authz.Custom {
			n.custom.Policies = append(n.custom.Policies, p)
		} else {
			n.policies.Policies = append(n.policies.Policies, p)
		}
	}
	n.asks = len(n.custom.Policies) > 0
}

// trustDomains are those by which policies are read: the mesh's, which callers'
// certificates must be able to have.
func (s *Server) trustDomains(w *inbound.World) ([]string, error) {
	said := w.TrustDomains()
	if s.config.Identity == nil {
		return said, nil
	}
	accepted := s.config.Identity.TrustDomains()
	if said == nil {
		return accepted, nil
	}
	for _, td := range said {
		if !slices.Contains(accepted, td) {
			return nil, &mesh.Problem{
				Field: "MeshConfig.trustDomain", Value: td,
				Reason: fmt.Sprintf("is a trust domain of the mesh that the server's identity does not accept: it knows %q", accepted),
			}
		}
	}
	return said, nil
}

// minVersion is why the identity lets in whom the mesh keeps out, if it does.
func (s *Server) minVersion(c *Config) error {
	least := c.MinTLSVersion()
	if s.edge || s.config.Identity == nil || s.config.Identity.MinVersion() >= least {
		return nil
	}
	return &mesh.Problem{
		Field: "MeshConfig.meshMTLS.minProtocolVersion", Value: tls.VersionName(least),
		Reason: "is more than the server's identity asks for: set its MinVersion",
	}
}

// trustedHops is how many proxies before the one that connects are believed. For a
// gateway the mesh may say it as well.
func (s *Server) trustedHops(w *inbound.World) int {
	if s.edge && s.config.TrustedHops == 0 {
		return int(w.Mesh.GetDefaultConfig().GetGatewayTopology().GetNumTrustedProxies())
	}
	return s.config.TrustedHops
}

func (s *Server) verifier(w *inbound.World, to inbound.Workload) (func(*http.Request) (*http.Request, error), error) {
	rules, source := w.TokenRules(to)
	switch {
	case len(rules) == 0:
		return nil, nil
	case s.config.Tokens == nil:
		return nil, &mesh.Problem{Source: source, Reason: "cannot be carried out: the server has nothing that verifies tokens"}
	}
	verify, err := s.config.Tokens(rules)
	if err == nil && verify == nil {
		err = errors.New("the function Tokens gave nothing that verifies")
	}
	if err != nil {
		return nil, &mesh.Problem{Source: source, Reason: err.Error()}
	}
	return verify, nil
}

// Listener is l with mutual TLS as PeerAuthentication says for the port that a
// connection comes to. Without an identity it is l.
func (s *Server) Listener(l net.Listener) net.Listener {
	if s.config.Identity == nil {
		return l
	}
	return s.config.Identity.Listener(l, func(port uint16) mtls.Mode { return s.now.Load().modes.At(port) })
}

// Handler lets through to next what the resources let in. The rest is answered as
// a sidecar answers it. Paths are handed on as the mesh normalizes them.
func (s *Server) Handler(next http.Handler) http.Handler {
	h := s.door(served{next})
	if s.config.ProxyHeaders {
		h = build.ServedHeaders(h)
	}
	h = access.Join(s.config.Sinks...).Handler(h)
	if s.config.Identity != nil {
		return s.config.Identity.Handler(h)
	}
	return anonymous{h}
}
