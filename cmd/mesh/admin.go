package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/telemetry"
	"github.com/sidecarless/mesh/telemetry/metrics"
)

// An admin is what the proxy shows to operators on an address of its own, and what it
// tells other proxies of the workload. Nil shows and tells nothing.
type admin struct {
	mux     *http.ServeMux
	page    *console.Console
	metrics *metrics.Metrics
	names   *telemetry.Exchange
}

// admin is the one that -admin asks for, or nil.
func (p *proxyFlags) newAdmin(config *istio.Config) (*admin, error) {
	if p.admin == "" {
		return nil, nil
	}
	w, err := p.shown(config)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a := &admin{mux: http.NewServeMux(), names: telemetry.NewExchange(w)}
	if a.metrics, err = metrics.New(metrics.Config{Registerer: registry, Workload: w}); err != nil {
		return nil, err
	}
	text := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	if a.page, err = console.New(console.Config{Title: w.Name, Metrics: text, Remote: lookers(p.admin)}); err != nil {
		return nil, err
	}
	a.mux.Handle("GET /stats/prometheus", text)
	a.mux.Handle("/", a.page)
	return a, nil
}

// lookers are those who may look at the console: where it listens for this machine
// only, nobody else, and otherwise whoever gets there.
func lookers(listen string) func(*http.Request) bool {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || host == "localhost" || ip.IsLoopback() {
		return nil
	}
	return func(*http.Request) bool { return true }
}

// shown is the workload whose sidecar the proxy is, as metrics name it.
func (p *proxyFlags) shown(config *istio.Config) (mesh.Workload, error) {
	w, env := telemetry.FromLabels(p.labels), telemetry.FromEnvironment()
	w.Namespace = p.namespace
	if w.Name == "" {
		w.Name = env.Name
	}
	w.Instance = env.Instance
	identity, err := p.identity(config, nil)
	if err != nil {
		return w, err
	}
	if identity != nil {
		w.Principal = identity.ID().String()
	}
	return telemetry.WithDefaults(w), nil
}

// source is what is told of requests that the proxy sends.
func (a *admin) source(sink access.Sink) []access.Sink {
	if a == nil {
		return []access.Sink{sink}
	}
	return []access.Sink{sink, a.metrics.Source, a.page.Sink}
}

// destination is what is told of requests that the proxy lets in.
func (a *admin) destination(sink access.Sink) []access.Sink {
	if a == nil {
		return []access.Sink{sink}
	}
	return []access.Sink{sink, a.metrics.Destination, a.page.Sink}
}

// attempt is the layer that tells others in the mesh who calls; nil is none.
func (a *admin) attempt() func(http.RoundTripper) http.RoundTripper {
	if a == nil {
		return nil
	}
	return a.names.Transport
}

// answer is h, telling callers who answers.
func (a *admin) answer(h http.Handler) http.Handler {
	if a == nil {
		return h
	}
	return a.names.Handler(h)
}

// watch shows what s sends to, by which rules, and how w loads them.
func (a *admin) watch(s *side, w *istio.Watcher) {
	if a == nil {
		return
	}
	if s.upstreams != nil {
		a.metrics.Watch(s.upstreams)
	}
	a.page.Add(s.console)
	a.page.Add(w.Console())
}

// serve shows it all until ctx ends.
func (a *admin) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: a.mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() {
		a.page.Close()
		server.Close()
	})()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
