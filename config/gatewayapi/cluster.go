package gatewayapi

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// A clusterKey names the endpoints of a Service's port and how they are chosen and
// spoken to.
type clusterKey struct {
	service  string // as namespace/name
	port     uint32
	protocol upstream.Protocol
	sticky   bool // sessions stay at their endpoints
}

// String is the name of the cluster in records and errors.
func (k clusterKey) String() string { return fmt.Sprintf("%s:%d", k.service, k.port) }

// A cluster is the upstream of a Service's port. It lives as long as routes lead to
// it, and keeps its connections and counters over changes of them.
type cluster struct {
	key       clusterKey
	upstream  *upstream.Upstream
	endpoints []lb.Endpoint
	next      []lb.Endpoint // what they are to be when the update is carried out
	changed   bool
}

// cluster is that of a target, kept from before or new.
func (b *builder) cluster(t target, sticky bool) (*cluster, error) {
	key := clusterKey{t.service.id(), t.port.Port, t.protocol, sticky}
	if c := b.clusters[key]; c != nil {
		return c, nil
	}
	endpoints := b.config.endpoints(t)
	if c := b.engine.clusters[key]; c != nil {
		c.next, c.changed = endpoints, !reflect.DeepEqual(c.endpoints, endpoints)
		// Anything wrong with them must show before anything is changed.
		if _, err := lb.New(lb.Config{Endpoints: endpoints}); err != nil {
			return nil, err
		}
		b.clusters[key] = c
		return c, nil
	}
	config := upstream.Config{
		Name: key.String(), Endpoints: endpoints, NoRetry: true, NoEjection: true,
		Connections: upstream.Connections{Protocol: t.protocol}, Dial: b.engine.dial,
		Balance: lb.Config{Algorithm: lb.LeastRequest{}, Rand: b.engine.rand},
	}
	if sticky {
		config.Balance.Algorithm = persistent{lb.LeastRequest{}}
	}
	u, err := upstream.New(config)
	if err != nil {
		return nil, err
	}
	c := &cluster{key: key, upstream: u, endpoints: endpoints}
	b.clusters[key] = c
	b.made = append(b.made, c)
	return c, nil
}

// RoundTrip implements http.RoundTripper. The scheme of the URL is the caller's
// business; endpoints are spoken to in plain text.
func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" {
		r = flow.Own(r)
		u := *r.URL
		u.Scheme = "http"
		r.URL = &u
	}
	return c.upstream.RoundTrip(r)
}

// retireFor is how long requests of earlier routes may take to end.
const retireFor = time.Minute

// retire ends a cluster when its requests have ended.
func (e *engine) retire(c *cluster) {
	e.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(e.ending, retireFor)
		defer cancel()
		_ = c.upstream.Shutdown(ctx) // what has not ended by then is cut off
	})
}

// endpoints are those of a Service's port that are ready for requests. Where no
// EndpointSlice speaks of the Service, its name is the endpoint: a cluster's DNS
// knows it.
func (c *Config) endpoints(t target) []lb.Endpoint {
	list := c.slicesOf[t.service.id()]
	if len(list) == 0 {
		name := t.service.spec.ExternalName
		if name == "" {
			name = t.service.name + "." + t.service.namespace + ".svc." + clusterDomain
		}
		port := t.port.Port
		if n, err := strconv.ParseUint(t.port.TargetPort, 10, 32); err == nil && t.service.spec.ClusterIP == kube.Headless {
			port = uint32(n) // the name stands for the pods themselves
		}
		return []lb.Endpoint{{Addr: join(name, port)}}
	}
	var all []lb.Endpoint
	seen := map[string]bool{}
	for _, s := range list {
		for _, p := range s.spec.Ports {
			if p.Name != t.port.Name {
				continue
			}
			for address, e := range s.spec.Ready() {
				addr := join(address, cmp.Or(p.Port, t.port.Port))
				if !seen[addr] {
					seen[addr] = true
					all = append(all, lb.Endpoint{Addr: addr, Locality: lb.Locality{Zone: e.Zone}})
				}
			}
		}
	}
	return all
}

func join(host string, port uint32) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.FormatUint(uint64(port), 10))
}
