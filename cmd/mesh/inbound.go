package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/config/requestauth"
	"github.com/sidecarless/mesh/jwt"
	"github.com/sidecarless/mesh/mtls"
)

// appFlags are the flags of a server's sidecar.
type appFlags struct{ app, cert, key, ca, crl string }

func (a *appFlags) register(f *flag.FlagSet) {
	f.StringVar(&a.app, "app", "", "inbound: the application's `host:port`")
	f.StringVar(&a.cert, "cert", "", "inbound: `file` of the workload's certificate")
	f.StringVar(&a.key, "key", "", "inbound: `file` of its key")
	f.StringVar(&a.ca, "ca", "", "inbound: `file` of the roots that the mesh trusts")
	f.StringVar(&a.crl, "crl", "", "inbound: `file` of lists of revoked certificates, one of each authority")
}

// check reports what is wrong with the flags.
func (a *appFlags) check() error {
	if _, _, err := net.SplitHostPort(a.app); err != nil {
		return errors.New("-mode inbound needs the application's address as -app HOST:PORT")
	}
	if all := a.cert != "" && a.key != "" && a.ca != ""; !all && a.cert+a.key+a.ca != "" {
		return errors.New("-cert, -key and -ca belong together")
	}
	if a.crl != "" && a.ca == "" {
		return errors.New("-crl is for the certificates that -ca trusts")
	}
	return nil
}

// inbound is the sidecar of a server.
func (p *proxyFlags) inbound(config *istio.Config, sink access.Sink, shown *admin, logger *slog.Logger) (*side, error) {
	w, err := p.workload()
	if err != nil {
		return nil, err
	}
	identity, err := p.identity(config, logger)
	if err != nil {
		return nil, err
	}
	keys, err := jwt.NewKeys(jwt.KeysConfig{Logger: logger})
	if err != nil {
		return nil, err
	}
	app, err := newApplication(p.app.app)
	if err != nil {
		return nil, err
	}
	server, err := istio.NewServer(config, istio.ServerConfig{
		Workload:     w,
		Identity:     identity,
		Tokens:       requestauth.Tokens(keys),
		Logger:       logger,
		Sinks:        shown.destination(sink),
		ProxyHeaders: true,
	})
	if err != nil {
		app.close()
		return nil, err
	}
	runs := []func(context.Context) error{keys.Run, server.Run}
	if identity != nil {
		runs = append(runs, identity.Run)
	}
	return &side{
		handler:  forward.Door(shown.answer(server.Handler(forward.New(forward.Config{Client: app})))),
		listener: func(l net.Listener) net.Listener { return server.Listener(forward.Listener(l)) },
		update:   trusting(identity, server.Update),
		run:      together(runs...),
		close: func() {
			app.close()
			server.Close() //nolint:errcheck // the process ends
		},
	}, nil
}

// identity is the workload's, nil without one.
func (p *proxyFlags) identity(config *istio.Config, logger *slog.Logger) (*mtls.Identity, error) {
	if p.app.cert == "" {
		return nil, nil
	}
	m := config.MeshConfig().Spec
	return mtls.New(mtls.Config{
		CertFile: p.app.cert, KeyFile: p.app.key, RootsFile: p.app.ca, RevokedFile: p.app.crl,
		TrustDomain: m.GetTrustDomain(), Aliases: m.GetTrustDomainAliases(), MinVersion: config.MinTLSVersion(), Logger: logger,
	})
}
