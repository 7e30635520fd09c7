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

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/telemetry"
	"github.com/sidecarless/mesh/telemetry/metrics"
)

// An admin is what the proxy shows to operators on an address of its own, and what it
// tells other proxies of the workload. Nil shows and tells nothing.
type admin struct {
	mux     *http.ServeMux
	metrics *metrics.Metrics
	names   *telemetry.Exchange
}

// admin is the one that -admin asks for, or nil.
func (p *proxyFlags) newAdmin(config *istio.Config) (*admin, error) {
	if p.admin == "" {
		return nil, nil
	}
	w, err := p.workload(config)
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
	a.mux.Handle("GET /stats/prometheus", text)
	a.mux.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("format") != "prometheus" {
			http.Error(w, "there is /stats?format=prometheus", http.StatusNotFound)
			return
		}
		text.ServeHTTP(w, r)
	})
	return a, nil
}

// workload is the one whose sidecar the proxy is, as metrics name it.
func (p *proxyFlags) workload(config *istio.Config) (telemetry.Workload, error) {
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
	return []access.Sink{sink, a.metrics.Source}
}

// destination is what is told of requests that the proxy lets in.
func (a *admin) destination(sink access.Sink) []access.Sink {
	if a == nil {
		return []access.Sink{sink}
	}
	return []access.Sink{sink, a.metrics.Destination}
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

// watch shows what s sends to.
func (a *admin) watch(s *side) {
	if a != nil && s.upstreams != nil {
		a.metrics.Watch(s.upstreams)
	}
}

// serve shows it all until ctx ends.
func (a *admin) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: a.mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
