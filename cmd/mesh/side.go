package main

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/console"
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

// together runs what runs in the background until the context ends.
func together(runs ...func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		var all sync.WaitGroup
		for _, run := range runs {
			all.Go(func() { run(ctx) }) //nolint:errcheck // it ends with ctx
		}
		all.Wait()
	}
}

// outbound is the sidecar of a caller.
func (p *proxyFlags) outbound(config *istio.Config, sink access.Sink, shown *admin, logger *slog.Logger) (*side, error) {
	w, err := p.workload()
	if err != nil {
		return nil, err
	}
	client, err := istio.NewClient(config, istio.ClientConfig{
		Workload:     w,
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
		run:       together(client.Run),
		close:     func() { client.Close() }, //nolint:errcheck // the process ends
	}, nil
}
