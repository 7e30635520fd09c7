package bookinfo

import (
	"context"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/telemetry"
	"github.com/sidecarless/mesh/telemetry/metrics"
	"github.com/sidecarless/mesh/upstream"
)

// A Hop is one process of the mesh.
type Hop struct {
	Name  string
	Addr  string         // where it listens for requests
	Admin *http.ServeMux // what it shows to operators: /stats/prometheus, and a console on all other paths
	Stats string         // the address of Admin

	// Upstreams are the destinations of a hop that calls others; nil otherwise.
	Upstreams iter.Seq[*upstream.Upstream]

	metrics *metrics.Metrics
	names   *telemetry.Exchange
	page    *console.Console
}

// hop is a process that does nothing yet but tell of itself.
func (d *Demo) hop(name, namespace, service string) (*Hop, error) {
	w := mesh.Workload{Name: name, Namespace: namespace, App: service, Version: "v1"}
	if id := d.identities[service]; id != nil {
		w.Principal = id.ID().String()
	}
	registry := prometheus.NewRegistry()
	m, err := metrics.New(metrics.Config{
		Registerer: registry, Workload: w, Service: service + "." + namespace + ".svc.cluster.local", Version: "1.31.1",
	})
	if err != nil {
		return nil, err
	}
	h := &Hop{Name: name, Admin: http.NewServeMux(), metrics: m, names: telemetry.NewExchange(telemetry.WithDefaults(w))}
	// A scraper that gives up and comes again must not make the process busy with
	// answers that nobody waits for.
	text := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, DisableCompression: true})
	if h.page, err = console.New(console.Config{Title: name, Metrics: text}); err != nil {
		return nil, err
	}
	d.closers = append(d.closers, func() error { h.page.Close(); return nil })
	h.Admin.Handle("/stats/prometheus", text)
	h.Admin.Handle("/", h.page)
	h.Stats, err = d.listen(h.Admin, func(l net.Listener) net.Listener { return l })
	return h, err
}

// watch shows the destinations of a hop that calls others.
func (h *Hop) watch(all iter.Seq[*upstream.Upstream], source console.Source) {
	h.Upstreams = all
	h.metrics.Watch(all)
	h.page.Add(source)
}

// Page is a page of what the hop shows to operators, as text: /decisions, say.
func (h *Hop) Page(path string) (string, error) {
	_, text, err := get(context.Background(), http.DefaultClient, "http://"+h.Stats+path, "")
	return text, err
}

// sinks are told of what a hop sends.
func (d *Demo) sinks(h *Hop) []access.Sink {
	sinks := []access.Sink{h.metrics.Source, h.page.Sink}
	if d.options.Sinks != nil {
		sinks = append(sinks, d.options.Sinks(h.Name)...)
	}
	return sinks
}

// server lets in requests to a pod as the resources say.
func (d *Demo) server(h *Hop, app http.Handler, pods ...string) error {
	service, _, _ := strings.Cut(h.Name, "-")
	sinks := []access.Sink{h.metrics.Destination}
	if h.Upstreams == nil { // the console of a hop that sends no requests shows those that it gets
		sinks = append(sinks, h.page.Sink)
	}
	server, err := istio.NewServer(d.config, istio.ServerConfig{
		Workload: istio.Workload{Namespace: "default", Labels: map[string]string{"app": service, "version": "v1"}},
		Identity: d.identities[service], Sinks: sinks,
	})
	if err != nil {
		return err
	}
	h.Addr, err = d.listen(d.tracing.Handler(h.names.Handler(server.Handler(app))), server.Listener)
	for _, pod := range pods {
		d.pods[pod] = h.Addr
	}
	return err
}

// listen serves on a free port of loopback.
func (d *Demo) listen(handler http.Handler, wrap func(net.Listener) net.Listener) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: handler}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve(wrap(l))
	}()
	d.closers = append(d.closers, func() error {
		err := s.Close()
		<-ended
		return err
	})
	return l.Addr().String(), nil
}

// get asks for a page.
func get(ctx context.Context, client *http.Client, url, host string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	r.Host = host
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
