package build

import (
	"context"
	"maps"
	"math"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// A cluster is a set of endpoints under one policy. It lives as long as a plan
// names it, and keeps its connections and counters from one plan to the next.
type cluster struct {
	name     string
	number   uint64 // unlike that of any other cluster, also of the same name
	upstream *upstream.Upstream
	budget   *retry.Budget // of the retries to it

	target *plan.Target                            // what it was made of
	next   *plan.Target                            // what it is to be when the update is carried out
	mesh   *networking.LocalityLoadBalancerSetting // what held for it where the target says nothing
	https  bool                                    // whether a caller's https URL is to be kept
}

// cluster is the one of that name, or a new one.
func (u *update) cluster(name plan.Cluster, target *plan.Target) (*cluster, error) {
	config, err := u.upstreamConfig(name, target)
	if err != nil {
		return nil, err
	}
	budget, err := budgetOf(target.Policy)
	if err != nil {
		return nil, err
	}
	if c := u.mesh.clusters[name]; c != nil && sameShape(c.target, target) && proto.Equal(c.mesh, u.world.Mesh.GetLocalityLbSetting()) {
		if !reflect.DeepEqual(c.target.Endpoints, target.Endpoints) {
			// Anything wrong with them must show before anything is changed.
			if _, err := lb.New(lb.Config{Endpoints: config.Endpoints, LocalityWeighted: config.Balance.LocalityWeighted}); err != nil {
				return nil, err
			}
			c.next = target
		}
		return c, nil
	}
	config.Retry.Budget = budget
	up, err := upstream.New(config)
	if err != nil {
		return nil, err
	}
	u.mesh.serial++
	c := &cluster{
		name: name.String(), number: u.mesh.serial, upstream: up, budget: budget, target: target,
		mesh:  u.world.Mesh.GetLocalityLbSetting(),
		https: strings.HasPrefix(target.Port.Protocol, "HTTPS") || target.Port.Protocol == "TLS",
	}
	u.made = append(u.made, c)
	return c, nil
}

// commit changes the clusters that stay. Everything was checked before.
func (u *update) commit() error {
	for _, name := range slices.SortedFunc(maps.Keys(u.clusters), plan.Cluster.Compare) {
		c := u.clusters[name]
		if c.next == nil {
			continue
		}
		if err := c.upstream.SetEndpoints(unique(c.next.Endpoints)); err != nil {
			return err
		}
		c.target, c.next = c.next, nil
	}
	return nil
}

// sameShape reports whether two targets differ in their endpoints at most.
func sameShape(a, b *plan.Target) bool {
	p, q := a.Policy, b.Policy
	return a.Port == b.Port && a.Service.Resolution == b.Service.Resolution &&
		a.Service.Namespace == b.Service.Namespace && a.Service.External == b.Service.External &&
		proto.Equal(p.LoadBalancer, q.LoadBalancer) && proto.Equal(a.Pool, b.Pool) &&
		proto.Equal(p.OutlierDetection, q.OutlierDetection) && proto.Equal(p.TLS, q.TLS) &&
		proto.Equal(p.RetryBudget, q.RetryBudget) && proto.Equal(a.Hash, b.Hash) &&
		(p.TLS == nil || slices.Equal(a.Service.Identities(), b.Service.Identities()))
}

// RoundTrip implements http.RoundTripper.
func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" && !c.https {
		// The scheme is the caller's business; how the endpoint is spoken to is the
		// policy's.
		r = flow.Own(r)
		u := *r.URL
		u.Scheme = "http"
		r.URL = &u
	}
	return c.upstream.RoundTrip(r)
}

func (c *cluster) close() error { return c.upstream.Close() }

// retireFor is how long requests of an earlier plan may take to end.
const retireFor = time.Minute

// retire ends clusters that no plan names any more, when the requests of the plan
// that did have been sent and have ended.
func (m *Mesh) retire(last *snapshot, unused []*cluster) {
	if len(unused) == 0 {
		return
	}
	m.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(m.ending, retireFor)
		defer cancel()
		last.users.wait(ctx)
		for _, c := range unused {
			c.upstream.Shutdown(ctx)
		}
	})
}

// missing answers for a destination whose service, port or subset does not exist.
type missing struct{ cluster string }

// RoundTrip implements http.RoundTripper.
func (m missing) RoundTrip(r *http.Request) (*http.Response, error) {
	closeBody(r)
	return nil, &mesh.Error{
		Op: "istio", Flag: mesh.NoCluster, Status: http.StatusServiceUnavailable, Stage: mesh.NotSent,
		Details: mesh.DetailsClusterNotFound,
	}
}

// upstreamConfig is what a target means to an upstream. Retries are the rules'.
func (u *update) upstreamConfig(name plan.Cluster, t *plan.Target) (upstream.Config, error) {
	l := check.List{Prefix: "trafficPolicy"}
	c := upstream.Config{
		Name: name.String(), Endpoints: unique(t.Endpoints), NoRetry: true,
		Service:    upstream.Service{Host: t.Service.Host, Namespace: t.Service.Namespace},
		NoEjection: t.Policy.OutlierDetection == nil, Dial: u.mesh.options.Dial,
		Attempt: u.attempt(t),
	}
	u.pool(&c, t)
	u.balance(&c, t)
	ejection(&c, t.Policy.OutlierDetection)
	c.TLS = clientTLS(&l, t, u.mesh.options.Identity)
	if last := u.mesh.options.Transport; last != nil {
		c.Transport = last
		c.Dial, c.TLS, c.Connections = nil, nil, upstream.Connections{}
		c.Breaker.Limits.MaxConnections, c.Breaker.Limits.MaxPending = 0, 0
	}
	return c, l.Err()
}

// attempt is the layers around each attempt; nil is none.
func (u *update) attempt(t *plan.Target) layer {
	o := &u.mesh.options
	if t.Service.External || o.MeshAttempt == nil {
		return o.Attempt
	}
	return mesh.Chain(o.Attempt, o.MeshAttempt)
}

// unique leaves out endpoints whose address came before: one endpoint is one
// address.
func unique(endpoints []lb.Endpoint) []lb.Endpoint {
	seen := make(map[string]bool, len(endpoints))
	var all []lb.Endpoint
	for _, e := range endpoints {
		if !seen[e.Addr] {
			seen[e.Addr] = true
			all = append(all, e)
		}
	}
	return all
}

// pool carries out connectionPool and the protocol of the port.
func (u *update) pool(c *upstream.Config, t *plan.Target) {
	tcp, http := t.Pool.GetTcp(), t.Pool.GetHttp()
	c.Breaker.Limits.MaxConnections = int(tcp.GetMaxConnections())
	c.Breaker.Limits.MaxPending = int(http.GetHttp1MaxPendingRequests())
	c.Breaker.Limits.MaxRequests = int(http.GetHttp2MaxRequests())
	c.Connections.MaxRequests = int(http.GetMaxRequestsPerConnection())
	if s := http.GetMaxConcurrentStreams(); s < math.MaxInt32 {
		c.Connections.MaxStreams = int(s)
	}
	c.Connections.Connect = tcp.GetConnectTimeout().AsDuration()
	c.Connections.MaxAge = tcp.GetMaxConnectionDuration().AsDuration()
	switch {
	case http.GetIdleTimeout() != nil:
		c.Connections.Idle = http.IdleTimeout.AsDuration()
	case tcp.GetIdleTimeout() != nil:
		if c.Connections.Idle = tcp.IdleTimeout.AsDuration(); c.Connections.Idle == 0 {
			c.Connections.Idle = -1 // zero is for ever there
		}
	}
	if k := http.GetHttp2KeepAlive(); k != nil {
		c.Connections.PingAfter, c.Connections.PingTimeout = k.Interval.AsDuration(), k.Timeout.AsDuration()
	}
	c.Connections.Protocol = protocolOf(http.GetH2UpgradePolicy(), t.Port.Protocol)
	if k := tcp.GetTcpKeepalive(); k != nil && c.Dial == nil {
		d := net.Dialer{KeepAliveConfig: keepAlive(k)}
		c.Dial = d.DialContext
	}
}

// keepAlive leaves what is not said to the operating system. Zero would be a
// default of package net.
func keepAlive(k *networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive) net.KeepAliveConfig {
	c := net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}
	if k.Time != nil {
		c.Idle = k.Time.AsDuration()
	}
	if k.Interval != nil {
		c.Interval = k.Interval.AsDuration()
	}
	if k.Probes > 0 {
		c.Count = int(k.Probes)
	}
	return c
}

func protocolOf(policy networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy, port string) upstream.Protocol {
	switch {
	case policy == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE,
		port == "HTTP2", port == "GRPC", port == "GRPC-WEB":
		return upstream.HTTP2
	case policy == networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE:
		return upstream.HTTP1
	}
	return upstream.Negotiated
}

// budgetOf is the limit on retries to a cluster. Without one there is none.
func budgetOf(p plan.Policy) (*retry.Budget, error) {
	if b := p.RetryBudget; b != nil {
		c := retry.BudgetConfig{Percent: 20, MinConcurrent: 3}
		if b.Percent != nil {
			c.Percent = b.Percent.Value
		}
		if b.MinRetryConcurrency > 0 {
			c.MinConcurrent = int(b.MinRetryConcurrency)
		}
		if c.Percent == 0 {
			c.Percent = -1 // zero is the default there
		}
		return retry.NewBudget(c)
	}
	most := int(p.ConnectionPool.GetHttp().GetMaxRetries())
	if most == 0 {
		most = math.MaxInt32
	}
	return retry.NewBudget(retry.BudgetConfig{MaxConcurrent: most})
}
