package build

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/upstream"
)

// Options are what resources do not say.
type Options struct {
	Client       plan.Client
	Dial         func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer
	Transport    http.RoundTripper                                                    // in place of connections
	Sink         access.Sink                                                          // nil: none
	Explain      func(*http.Request) bool                                             // who is told what was decided; nil: nobody
	Unknown      http.RoundTripper                                                    // for hosts that no resource names; nil refuses them
	ProxyHeaders bool                                                                 // add and remove the headers that a sidecar does
	FaultsInside bool                                                                 // draw faults for each attempt
	Rand         func() uint64                                                        // nil: math/rand/v2
	Logger       *slog.Logger                                                         // nil: silent
	Identity     *mtls.Identity                                                       // the workload's; nil: none
	Gateway      *Gateway                                                             // nil for a workload of the mesh
	Attempt      func(http.RoundTripper) http.RoundTripper                            // around each attempt, those to send copies included; nil: none
	MeshAttempt  func(http.RoundTripper) http.RoundTripper                            // inside of Attempt, for destinations in the mesh
}

// A Mesh carries out a plan: it sends requests as the resources say.
type Mesh struct {
	options Options
	entry   http.RoundTripper // the layers around every rule
	now     atomic.Pointer[snapshot]
	listed  atomic.Pointer[[]*upstream.Upstream] // those of the clusters, by name

	mu       sync.Mutex // one update at a time
	clusters map[plan.Cluster]*cluster
	rules    map[content]prepared // those of the plan in force
	prepared int                  // rules that the last update made
	serial   uint64               // of the last cluster
	closed   bool
	changed  chan struct{} // closed when there is another set of clusters

	ending   context.Context // when the mesh is closed
	end      context.CancelFunc
	retiring sync.WaitGroup // clusters whose last requests end
}

// A snapshot is one plan made ready. It does not change.
type snapshot struct {
	users users

	clusters map[plan.Cluster]*cluster

	ports map[uint32]http.RoundTripper
	other http.RoundTripper
	paths match.PathOptions
	tls   map[uint16]*terminator // of a gateway: the ports with TLS
	world *plan.World            // what it was made of
}

// New makes a Mesh for a world of resources.
func New(w *plan.World, o Options) (*Mesh, error) {
	m := &Mesh{options: o, clusters: map[plan.Cluster]*cluster{}, changed: make(chan struct{})}
	m.ending, m.end = context.WithCancel(context.Background())
	m.entry = dispatch{m}
	if o.ProxyHeaders {
		m.entry = proxyHeaders{m.entry, o.Gateway != nil}
	}
	m.entry = mesh.Chain(access.Explainer{Allow: o.Explain}.Transport, o.Sink.Transport, mesh.ErrorsAsResponses)(m.entry)
	if err := m.Update(w); err != nil {
		return nil, err
	}
	return m, nil
}

// RoundTrip implements http.RoundTripper.
func (m *Mesh) RoundTrip(r *http.Request) (*http.Response, error) { return m.entry.RoundTrip(r) }

// dispatch sends a request to the rules for its port.
type dispatch struct{ mesh *Mesh }

// RoundTrip implements http.RoundTripper.
func (d dispatch) RoundTrip(r *http.Request) (*http.Response, error) {
	s := d.mesh.enter()
	defer s.users.leave()
	if r.URL == nil || r.URL.Host == "" && r.Host == "" {
		closeBody(r)
		return nil, refused(http.StatusBadRequest, "missing_host_header")
	}
	view := match.ViewOf(r)
	path := view.Path()
	normal, ok := match.NormalizePath(path, s.paths)
	switch {
	case !ok, strings.IndexByte(r.URL.RawQuery, '#') >= 0:
		closeBody(r)
		return nil, refused(http.StatusBadRequest, "path_normalization_failed")
	case normal != path:
		r = flow.Own(r)
		u := *r.URL
		rawpath.Set(&u, normal)
		r.URL = &u
	}
	if rules, known := s.ports[portOf(r.URL)]; known {
		return rules.RoundTrip(r)
	}
	return s.other.RoundTrip(r)
}

// portOf is the service port that a URL asks for.
func portOf(u *url.URL) uint32 {
	host := u.Host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		if n, err := strconv.ParseUint(host[i+1:], 10, 16); err == nil {
			return uint32(n)
		}
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

func refused(status int, details string) *mesh.Error {
	return &mesh.Error{Op: "istio", Status: status, Stage: mesh.NotSent, Details: details}
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// table makes the rules of one port. Hosts that have none of their own come to
// the last rule.
func (u *update) table(hosts []plan.VirtualHost) (http.RoundTripper, error) {
	var rules []route.ClientRule
	for i := range hosts {
		if hosts[i].HTTPS {
			rules = append(rules, route.ClientRule{Hosts: hosts[i].Domains, Match: plainText, Value: toHTTPS{}})
		}
		for j := range hosts[i].Rules {
			rule := &hosts[i].Rules[j]
			value, err := u.ready(rule)
			if err != nil {
				u.problems.add(rule.Place.String(), err)
				continue
			}
			r := route.ClientRule{Name: rule.Name, Hosts: hosts[i].Domains, Value: value}
			if rule.Match != nil {
				r.Match = []match.Request{matchOf(rule.Match)}
			}
			rules = append(rules, r)
		}
	}
	rules = append(rules, route.ClientRule{Hosts: []string{"*"}, Value: u.unknown()})
	table, err := route.New(rules...)
	if err != nil {
		return nil, err
	}
	return route.Transport(table), nil
}

// unknown answers for hosts that no resource names.
func (u *update) unknown() http.RoundTripper {
	switch {
	case u.mesh.options.Gateway != nil:
		return nil // no route
	case u.plan.Refuse:
		return registryOnly{}
	case u.mesh.options.Unknown != nil:
		return u.mesh.options.Unknown
	}
	return nowhere{}
}

// registryOnly is what a sidecar answers under outboundTrafficPolicy REGISTRY_ONLY.
type registryOnly struct{}

// RoundTrip implements http.RoundTripper.
func (registryOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	closeBody(r)
	return nil, refused(http.StatusBadGateway, mesh.DetailsDirectResponse)
}

// nowhere is what a sidecar answers when a request that it would pass on has no
// original address, as inside of a process.
type nowhere struct{}

// RoundTrip implements http.RoundTripper.
func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	closeBody(r)
	if t := flow.TryOf(r); t != nil {
		t.Choice().Upstream = "PassthroughCluster"
		t.Begin()
	}
	e := refused(http.StatusServiceUnavailable, mesh.DetailsNoHealthyUpstream)
	e.Flag = mesh.NoHealthyUpstream
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	e.Err = fmt.Errorf("no resource names the host %q, and there is no RoundTripper for unknown hosts", host)
	return nil, e
}
