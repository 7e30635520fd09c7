package build

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/discovery"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// Run keeps the endpoints of clusters current that are given by name, until ctx
// ends. Until it runs, such names are resolved whenever a connection is made.
func (m *Mesh) Run(ctx context.Context) error {
	for {
		lookups, stop := context.WithCancel(ctx)
		changed, clusters := m.watched()
		var wg sync.WaitGroup
		for _, c := range clusters {
			d, err := discovery.NewDNS(m.lookups(c))
			if err != nil {
				m.log().Error("endpoints are not looked up", "cluster", c.name, "err", err)
				continue
			}
			wg.Go(func() {
				err := d.Run(lookups, c.upstream.SetEndpoints)
				if err != nil && !errors.Is(err, context.Canceled) {
					m.log().Error("endpoints are no longer looked up", "cluster", c.name, "err", err)
				}
			})
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
		stop()
		wg.Wait()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// lookups are how the names of a cluster's endpoints are resolved.
func (m *Mesh) lookups(c *cluster) discovery.DNSConfig {
	return discovery.DNSConfig{
		Endpoints: unique(c.target.Endpoints), Interval: m.World().Mesh.GetDnsRefreshRate().AsDuration(), Logger: m.options.Logger,
	}
}

// Upstreams yields the destinations of the plan in force, by their names. It waits
// for no update.
func (m *Mesh) Upstreams() iter.Seq[*upstream.Upstream] {
	return func(yield func(*upstream.Upstream) bool) {
		for _, u := range *m.listed.Load() {
			if !yield(u) {
				return
			}
		}
	}
}

// list notes the upstreams of the clusters. The lock is held.
func (m *Mesh) list() {
	var all []*upstream.Upstream
	for _, c := range m.clusters {
		all = append(all, c.upstream)
	}
	slices.SortFunc(all, func(a, b *upstream.Upstream) int { return strings.Compare(a.Name(), b.Name()) })
	m.listed.Store(&all)
}

func (m *Mesh) log() *slog.Logger {
	if m.options.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.options.Logger
}

// watched are the clusters whose endpoints are names, and a channel that tells
// when they may be others.
func (m *Mesh) watched() (changed <-chan struct{}, named []*cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clusters {
		if isNamed(c.target) {
			named = append(named, c)
		}
	}
	return m.changed, named
}

func isNamed(t *plan.Target) bool {
	switch t.Service.Resolution {
	case networking.ServiceEntry_DNS, networking.ServiceEntry_DNS_ROUND_ROBIN:
		return hasName(t.Endpoints)
	}
	return false
}

func hasName(endpoints []lb.Endpoint) bool {
	for _, e := range endpoints {
		if host, _, err := net.SplitHostPort(e.Addr); err == nil && net.ParseIP(host) == nil {
			return true
		}
	}
	return false
}
