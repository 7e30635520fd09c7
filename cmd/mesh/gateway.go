package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/config/requestauth"
	"github.com/sidecarless/mesh/jwt"
)

// gatewayFlags are the flags of a gateway.
type gatewayFlags struct{ name, listenTLS, credentials string }

func (f *gatewayFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&f.name, "gateway", "", "gateway: the only Gateway to serve, `namespace/name`; without -labels it need not select them")
	flags.StringVar(&f.listenTLS, "listen-tls", "", "gateway: a further `address`, for the lowest port with TLS")
	flags.StringVar(&f.credentials, "credentials", "", "gateway: `folder` with a folder for each credentialName, of tls.crt, tls.key, ca.crt and ca.crl; without it -cert, -key and -ca stand for all")
}

// gateway is a gateway at the edge of the mesh. It serves -port, with TLS if the
// resources say so.
func (p *proxyFlags) gateway(config *istio.Config, sink access.Sink, shown *admin, logger *slog.Logger) (*side, error) {
	w, err := p.workload()
	if err != nil {
		return nil, err
	}
	keys, err := jwt.NewKeys(jwt.KeysConfig{Logger: logger})
	if err != nil {
		return nil, err
	}
	address, _, err := net.SplitHostPort(p.listen)
	if err != nil {
		return nil, err
	}
	gc := istio.GatewayConfig{
		Workload: w, Tokens: requestauth.Tokens(keys), Bind: address,
		Gateway: p.edge.name, CredentialDir: p.edge.credentials, Sinks: shown.source(sink), MeshAttempt: shown.attempt(), Logger: logger,
	}
	if p.edge.credentials == "" && p.app.cert != "" {
		gc.Credentials = p.app.credential
	}
	g, err := istio.NewGateway(config, gc)
	if err != nil {
		return nil, err
	}
	port := uint16(p.port)
	s := &side{
		handler:   g.Handler(port),
		update:    g.Update,
		upstreams: g.Upstreams(),
		console:   g.Console(),
		run:       together(keys.Run, g.Run),
		close:     func() { g.Close() }, //nolint:errcheck // the process ends
		listener: func(l net.Listener) net.Listener {
			if c := g.TLSConfig(port); c != nil {
				return tls.NewListener(l, c)
			}
			return forward.Listener(l)
		},
	}
	if p.edge.listenTLS != "" {
		if err := p.edge.listen(s, g, port, logger); err != nil {
			g.Close()
			return nil, err
		}
	}
	return s, nil
}

// listen adds the further address.
func (f *gatewayFlags) listen(s *side, g *istio.Gateway, port uint16, logger *slog.Logger) error {
	_, secure := g.Ports()
	if len(secure) == 0 || g.TLSConfig(port) != nil {
		return errors.New("-listen-tls is for resources that serve -port without TLS and another port with it")
	}
	l, err := net.Listen("tcp", f.listenTLS)
	if err != nil {
		return err
	}
	logger.Info("listening for TLS", "address", l.Addr().String(), "port", secure[0])
	s.further = tls.NewListener(l, g.TLSConfig(secure[0]))
	s.handler = byTLS{s.handler, g.Handler(secure[0])}
	return nil
}

// byTLS serves requests over TLS apart.
type byTLS struct{ plain, secure http.Handler }

// ServeHTTP implements http.Handler.
func (b byTLS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS != nil {
		b.secure.ServeHTTP(w, r)
	} else {
		b.plain.ServeHTTP(w, r)
	}
}

// credential is what -cert, -key and -ca bring, for any credentialName.
func (a *appFlags) credential(name string) (c istio.Credential, err error) {
	for _, f := range [...]struct {
		to   *[]byte
		file string
	}{{&c.Certificate, a.cert}, {&c.Key, a.key}, {&c.Roots, a.ca}, {&c.Revoked, a.crl}} {
		if f.file == "" {
			continue
		}
		if *f.to, err = os.ReadFile(f.file); err != nil {
			return c, fmt.Errorf("for %s: %w", name, err)
		}
	}
	return c, nil
}
