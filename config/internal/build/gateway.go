package build

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/mtls"
)

// A Gateway is what resources do not say of a workload that is a gateway.
type Gateway struct {
	Name       string                                // namespace/name of the only Gateway resource; empty for all that select the workload
	Credential func(name string) (Credential, error) // for a credentialName; nil: there are none
	Identity   *mtls.Identity                        // for mode ISTIO_MUTUAL; may be nil
	Bind       string                                // the address that ports are served on; empty where nobody says
}

// A Credential is a server's certificate with its key, the roots of clients'
// certificates and the lists of those that are revoked, all in PEM.
type Credential struct{ Certificate, Key, Roots, Revoked []byte }

// A terminator is a port of a gateway on which TLS ends.
type terminator struct{ byName map[string]*secure }

// A secure is one server of such a port.
type secure struct {
	server *plan.Server
	rules  http.RoundTripper
	tls    atomic.Pointer[certified]
}

// certified is a configuration and the digest of the certificates it is made of.
type certified struct {
	*tls.Config
	digest [sha256.Size]byte
}

// find is the server for a name as the client tells it by SNI, or nil: that of the
// name itself, of the longest wildcard, or of all names.
func (t *terminator) find(name string) *secure {
	name = strings.ToLower(name)
	if s := t.byName[name]; s != nil {
		return s
	}
	for rest := name; rest != ""; {
		_, rest, _ = strings.Cut(rest, ".")
		if s := t.byName["*."+rest]; s != nil && rest != "" {
			return s
		}
	}
	return t.byName["*"]
}

// RoundTrip implements http.RoundTripper. Requests come to the server whose
// certificate the client saw, whichever host they name.
func (t *terminator) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.TLS != nil {
		if s := t.find(r.TLS.ServerName); s != nil {
			return s.rules.RoundTrip(r)
		}
	}
	closeBody(r)
	e := refused(http.StatusNotFound, mesh.DetailsRouteNotFound)
	e.Flag = mesh.NoRoute
	return nil, e
}

// serve makes the ports of a gateway.
func (u *update) serve(s *snapshot) {
	s.tls = map[uint16]*terminator{}
	for i := range u.plan.Servers {
		server := &u.plan.Servers[i]
		if server.Bind != "" && server.Bind != u.mesh.options.Gateway.Bind {
			u.problems.add(server.Source, &mesh.Problem{
				Field: "bind", Value: server.Bind,
				Reason: fmt.Sprintf("is not carried out: the gateway is not told to listen there alone, but on %q", u.mesh.options.Gateway.Bind),
			})
			continue
		}
		rules, err := u.table(server.Hosts)
		if err != nil {
			u.problems.add(server.Source, err)
			continue
		}
		port := uint16(server.Port)
		if server.TLS == nil {
			s.ports[uint32(port)] = rules
			continue
		}
		config, err := u.mesh.options.Gateway.serverTLS(server.TLS)
		if err != nil {
			u.problems.add(server.Source, err)
			continue
		}
		one := &secure{server: server, rules: rules}
		one.tls.Store(config)
		if s.tls[port] == nil {
			s.tls[port] = &terminator{map[string]*secure{}}
			s.ports[uint32(port)] = s.tls[port]
		}
		for _, name := range server.Names {
			s.tls[port].byName[name] = one
		}
	}
}

// RefreshTLS reads the certificates of a gateway again. If any of them is not good,
// all stay as they are.
func (m *Mesh) RefreshTLS() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := map[*secure]*certified{}
	var wrong problems
	for _, t := range m.now.Load().tls {
		for _, s := range t.byName {
			if fresh[s] != nil {
				continue
			}
			config, err := m.options.Gateway.serverTLS(s.server.TLS)
			if err != nil {
				wrong.add(s.server.Source, err)
				continue
			}
			fresh[s] = config
		}
	}
	if err := errors.Join(wrong.errs...); err != nil {
		return err
	}
	for s, config := range fresh {
		if config.digest != s.tls.Load().digest { // else what is in use keeps its sessions
			s.tls.Store(config)
		}
	}
	return nil
}

// TLS is the configuration of a listener on a gateway's port, which follows
// updates, or nil for a port in plain text. A client that asks for a name that no
// server has is refused.
func (m *Mesh) TLS(port uint16) *tls.Config {
	if m.now.Load().tls[port] == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if t := m.now.Load().tls[port]; t != nil {
				if s := t.find(hello.ServerName); s != nil {
					return s.tls.Load().Config, nil
				}
			}
			return nil, fmt.Errorf("istio: no server of port %d is for the name %q", port, hello.ServerName)
		},
	}
}

// ServedURI is the first URI in the certificate with which a port of a gateway
// answers to a name: who is called. It is empty where there is none.
func (m *Mesh) ServedURI(port uint16, name string) string {
	t := m.now.Load().tls[port]
	if t == nil {
		return ""
	}
	s := t.find(name)
	switch {
	case s == nil:
	case s.server.TLS.Mode == networking.ServerTLSSettings_ISTIO_MUTUAL:
		return m.options.Gateway.Identity.ID().String()
	default:
		for _, c := range s.tls.Load().Certificates {
			if len(c.Leaf.URIs) > 0 {
				return c.Leaf.URIs[0].String()
			}
		}
	}
	return ""
}

// Ports are those of a gateway, plain and with TLS, in ascending order.
func (m *Mesh) Ports() (plain, secure []uint16) {
	s := m.now.Load()
	for _, number := range slices.Sorted(maps.Keys(s.ports)) {
		port := uint16(number)
		if s.tls[port] == nil {
			plain = append(plain, port)
		} else {
			secure = append(secure, port)
		}
	}
	return plain, secure
}
