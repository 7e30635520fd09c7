package main

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"net/http"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// A side is what the proxy is on one side of a process.
type side struct {
	handler  http.Handler
	listener func(net.Listener) net.Listener
	further  net.Listener // to accept from as well; nil for none

	upstreams iter.Seq[*upstream.Upstream] // where it sends to; nil if it does not choose
	console   console.Source               // the same for people

	update func(*istio.Config) error
	run    func(context.Context) // until the context ends
	close  func()
}

// makeSide makes one of resources.
type makeSide func(*istio.Config, access.Sink, *admin, *slog.Logger) (*side, error)

// outbound is the sidecar of a caller.
func (p *proxyFlags) outbound(config *istio.Config, sink access.Sink, shown *admin, logger *slog.Logger) (*side, error) {
	locality, err := lb.ParseLocality(p.locality)
	if err != nil {
		return nil, err
	}
	client, err := istio.NewClient(config, istio.ClientConfig{
		Workload:     istio.Workload{Namespace: p.namespace, Labels: p.labels, Locality: locality},
		Sinks:        shown.source(sink),
		MeshAttempt:  shown.attempt(),
		ProxyHeaders: true,
		Logger:       logger,
	})
	if err != nil {
		return nil, err
	}
	return &side{
		handler:   forward.New(forward.Config{Client: client, Port: uint16(p.port)}),
		listener:  forward.Listener,
		update:    client.Update,
		upstreams: client.Upstreams(),
		console:   client.Console(),
		run:       func(ctx context.Context) { client.Run(ctx) }, //nolint:errcheck // it ends with ctx
		close:     func() { client.Close() },                     //nolint:errcheck // the process ends
	}, nil
}
