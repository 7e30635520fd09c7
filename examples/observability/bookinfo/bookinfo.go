// Package bookinfo is a mesh of three hops in one process, to look at: a gateway, a
// page behind it, and a service that the page asks. They talk over loopback, as
// processes of their own would, and each has metrics and a console of its own.
package bookinfo

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
	"github.com/sidecarless/mesh/telemetry/otelmesh/spantext"
)

var (
	//go:embed mesh.yaml
	resources string
	//go:embed mutual.yaml
	mutual string
)

// Host is what browsers ask the gateway for.
const Host = "bookinfo.example.com"

// Options say what is different from the usual.
type Options struct {
	// MutualTLS lets the hops know each other by their certificates, but for one port.
	MutualTLS bool
	// Sinks are told of the requests that each hop sends, by its name: a log's, say.
	Sinks func(hop string) []access.Sink
	// Traces gets one in twenty traces, as trees.
	Traces io.Writer
}

// A Demo is three hops that run. It is made by [Start].
type Demo struct {
	Gateway, Productpage, Ratings *Hop

	config     *istio.Config
	options    Options
	identities map[string]*mtls.Identity
	tracing    *otelmesh.Telemetry // nil without Traces
	pods       map[string]string   // where endpoints really listen
	closers    []func() error
}

// Start starts the hops.
func Start(o Options) (_ *Demo, err error) {
	d := &Demo{options: o, pods: map[string]string{}, identities: map[string]*mtls.Identity{}}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	documents := resources
	if o.MutualTLS {
		documents += "---\n" + mutual
		if err := d.identify(); err != nil {
			return nil, err
		}
	}
	if d.config, err = istio.Parse("mesh.yaml", strings.NewReader(documents)); err != nil {
		return nil, err
	}
	if d.tracing, err = o.tracing(); err != nil {
		return nil, err
	}
	if d.Ratings, err = d.ratings(); err != nil {
		return nil, err
	}
	if d.Productpage, err = d.productpage(); err != nil {
		return nil, err
	}
	d.Gateway, err = d.gateway()
	return d, err
}

// tracing draws which traces are written.
func (o *Options) tracing() (*otelmesh.Telemetry, error) {
	if o.Traces == nil {
		return nil, nil
	}
	one := trace.ParentBased(trace.TraceIDRatioBased(0.05))
	return otelmesh.New(otelmesh.Config{Tracer: spantext.New(o.Traces, trace.WithSampler(one))})
}

// Hops are all of them, in the order in which a request meets them.
func (d *Demo) Hops() []*Hop { return []*Hop{d.Gateway, d.Productpage, d.Ratings} }

// ratings answers with stars. Now and then it is too busy, or fails.
func (d *Demo) ratings() (*Hop, error) {
	h, err := d.hop("ratings-v1", "default", "ratings")
	if err != nil {
		return nil, err
	}
	var asked atomic.Uint64
	return h, d.server(h, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n%21 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case n%33 == 0:
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, "*****\n")
	}), "10.0.2.1:9080", "10.0.2.1:9081")
}

// productpage asks for ratings, and shows them.
func (d *Demo) productpage() (*Hop, error) {
	h, err := d.hop("productpage-v1", "default", "productpage")
	if err != nil {
		return nil, err
	}
	client, err := istio.NewClient(d.config, istio.ClientConfig{
		Dial: d.dial, Identity: d.identities["productpage"], Sinks: d.sinks(h), MeshAttempt: h.names.Transport, Attempt: d.tracing.Attempt,
	})
	if err != nil {
		return nil, err
	}
	d.closers = append(d.closers, client.Close)
	h.watch(client.Upstreams(), client.Console())
	ratings := &http.Client{Transport: d.tracing.Transport(client)}
	return h, d.server(h, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := "http://ratings:9080/ratings/1"
		if r.URL.Path == "/productpage/stars" {
			from = "http://ratings:9081/stars/1"
		}
		status, text, err := get(r.Context(), ratings, from, "")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "The Comedy of Errors: ", text)
	}), "10.0.1.1:9080")
}

// gateway lets browsers in.
func (d *Demo) gateway() (*Hop, error) {
	h, err := d.hop("istio-ingressgateway", "istio-system", "istio-ingressgateway")
	if err != nil {
		return nil, err
	}
	gateway, err := istio.NewGateway(d.config, istio.GatewayConfig{
		Workload: istio.Workload{Namespace: "istio-system", Labels: map[string]string{"istio": "ingressgateway"}},
		Identity: d.identities["istio-ingressgateway"], Dial: d.dial, Sinks: d.sinks(h), MeshAttempt: h.names.Transport, Attempt: d.tracing.Attempt,
	})
	if err != nil {
		return nil, err
	}
	d.closers = append(d.closers, gateway.Close)
	h.watch(gateway.Upstreams(), gateway.Console())
	h.Addr, err = d.listen(d.tracing.Handler(gateway), func(l net.Listener) net.Listener { return l })
	return h, err
}

// dial leads to where a pod really listens.
func (d *Demo) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, d.pods[addr])
}

// Get asks the gateway for a page, as a browser does: /productpage, say.
func (d *Demo) Get(ctx context.Context, path string) (status int, text string, err error) {
	return get(ctx, http.DefaultClient, "http://"+d.Gateway.Addr+path, Host)
}

// Probe asks productpage itself, as something does that knows of no mesh.
func (d *Demo) Probe(ctx context.Context) (status int, text string, err error) {
	return get(ctx, http.DefaultClient, "http://"+d.Productpage.Addr+"/productpage", "productpage:9080")
}

// Close ends all hops, those in front first.
func (d *Demo) Close() error {
	http.DefaultClient.CloseIdleConnections()
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	return errors.Join(errs...)
}

// Targets are where Prometheus finds the metrics of all hops, as a file of its
// file_sd_configs says it.
func (d *Demo) Targets() []byte {
	type target struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	var all []target
	for _, h := range d.Hops() {
		all = append(all, target{[]string{h.Stats}, map[string]string{"app": h.Name}})
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		panic(err) // it is text
	}
	return append(text, '\n')
}
