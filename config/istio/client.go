package istio

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"net/http"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/upstream"
)

// A Workload is the process that uses the mesh, as the resources see it.
type Workload struct {
	Namespace string            // empty is "default"
	Labels    map[string]string // of its pods
	Locality  lb.Locality
}

func (w Workload) client() plan.Client {
	return plan.Client{Namespace: w.Namespace, Labels: w.Labels, Locality: w.Locality}
}

// ClientConfig is what the resources do not say. Its zero value is a workload of
// the namespace default.
type ClientConfig struct {
	// Workload is who calls: rules, exports and places are seen from there.
	Workload Workload

	// Dial makes connections to endpoints; nil is that of a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Transport sends the attempts in place of connections of the client's own, to
	// the endpoint's address in the request's URL: in tests, or where connections are
	// somebody else's business. What the resources say of connections and TLS has
	// then no effect.
	Transport http.RoundTripper

	// Identity is the workload's, for destinations whose TLS mode is ISTIO_MUTUAL.
	// Without one these are refused.
	Identity *mtls.Identity

	// Attempt, if set, is a layer around each attempt, those to send copies
	// included: what makes spans of them.
	Attempt func(http.RoundTripper) http.RoundTripper

	// MeshAttempt is one inside of Attempt for destinations in the mesh, which are all
	// but those of ServiceEntries with the location MESH_EXTERNAL: what these must not
	// be told, such as who calls.
	MeshAttempt func(http.RoundTripper) http.RoundTripper

	// Sinks are told of each request.
	Sinks []access.Sink

	// Explain says which requests that ask for it by the header x-mesh-explain get
	// told what was decided, see [access.Explainer]. Nil is none; the header is not
	// sent on in any case.
	Explain func(*http.Request) bool

	// Unknown sends requests to hosts that no resource names. Nil refuses them with
	// 503, since a process has no original address to pass them on to. A mesh whose
	// outboundTrafficPolicy is REGISTRY_ONLY refuses them with 502 in any case.
	Unknown http.RoundTripper

	// ProxyHeaders does to headers what a sidecar does on its own: it adds
	// x-request-id, x-forwarded-proto and x-envoy-attempt-count, tells the time left
	// in x-envoy-expected-rq-timeout-ms and the time taken in
	// x-envoy-upstream-service-time, and removes the x-envoy headers by which callers
	// steer an Envoy, and x-forwarded-client-cert. Without it headers are only what
	// the caller and the resources make them.
	ProxyHeaders bool

	// FaultsInside draws faults for each attempt, so that retries meet them. With a
	// sidecar they are drawn once a request and outside of retries.
	FaultsInside bool

	// Rand draws for splits, faults and balancing; nil is math/rand/v2.
	Rand func() uint64

	// Logger gets what happens in the background; nil is silent.
	Logger *slog.Logger
}

// A Client sends requests as the resources say: the host of a request's URL, or
// its Host, names the service. It is an [http.RoundTripper] for an
// [http.Client], and answers with a sidecar's replies where a request is refused
// or fails; [mesh.ErrorOf] finds the error behind a reply.
type Client struct {
	mesh *build.Mesh
}

// NewClient makes a client of resources. The error lists everything that keeps
// them from being carried out, fields among it that are right but that no client
// carries out.
func NewClient(c *Config, cc ClientConfig) (*Client, error) {
	if err := c.carriedOut(); err != nil {
		return nil, err
	}
	m, err := build.New(c.world(), build.Options{
		Client: cc.Workload.client(),
		Dial:   cc.Dial, Transport: cc.Transport, Attempt: cc.Attempt, MeshAttempt: cc.MeshAttempt,
		Sink: access.Join(cc.Sinks...), Explain: cc.Explain, Unknown: cc.Unknown, ProxyHeaders: cc.ProxyHeaders,
		FaultsInside: cc.FaultsInside, Rand: cc.Rand, Logger: cc.Logger, Identity: cc.Identity,
	})
	if err != nil {
		return nil, err
	}
	return &Client{m}, nil
}

// RoundTrip implements [http.RoundTripper].
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) { return c.mesh.RoundTrip(r) }

// Update takes new resources, all of them or none. Requests under way end as they
// began; destinations that stay keep their connections, counters and ejections.
func (c *Client) Update(config *Config) error {
	if err := config.carriedOut(); err != nil {
		return err
	}
	return c.mesh.Update(config.world())
}

// Run keeps endpoints current that are given by name, until ctx ends.
func (c *Client) Run(ctx context.Context) error { return c.mesh.Run(ctx) }

// Upstreams yields the destinations of the resources in force, with their counters
// and the state of their endpoints, by their names, which are Envoy's for clusters.
func (c *Client) Upstreams() iter.Seq[*upstream.Upstream] { return c.mesh.Upstreams() }

// Close ends all connections, those in use included.
func (c *Client) Close() error { return c.mesh.Close() }

// world is the configuration as plans are made of it.
func (c *Config) world() *plan.World {
	w := &plan.World{
		VirtualServices:  planned(c.VirtualServices()),
		DestinationRules: planned(c.DestinationRules()),
		ServiceEntries:   planned(c.ServiceEntries()),
		WorkloadEntries:  planned(c.WorkloadEntries()),
		Gateways:         planned(c.Gateways()),
		Sidecars:         planned(c.Sidecars()),
		Services:         planned(objectsOf[*kube.Service](c)),
		EndpointSlices:   planned(objectsOf[*kube.EndpointSlice](c)),
		Pods:             planned(objectsOf[*kube.Pod](c)),
		Mesh:             c.MeshConfig().Spec,
	}
	if m := c.MeshConfig().Resource; m != nil {
		w.MeshLine = m.Source
	}
	return w
}

// planned are objects as plans are made of them.
func planned[T any](objects []Object[T]) []plan.Object[T] {
	list := make([]plan.Object[T], len(objects))
	for i, o := range objects {
		list[i] = plan.Object[T]{
			Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Annotations: o.Annotations,
			Spec: o.Spec, Source: o.Source(""), Line: o.Source,
		}
	}
	return list
}
