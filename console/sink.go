package console

import (
	"context"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/console/internal/journal"
	"github.com/sidecarless/mesh/console/internal/traffic"
)

// Sink notes a request that has ended. It is an [access.Sink].
func (c *Console) Sink(ctx context.Context, r access.Record) {
	now := r.Start.Add(r.Duration)
	bad := journal.Failed(&r)
	c.traffic.Add(traffic.Key{Host: journal.Bounded(r.Host), Route: r.Route, Upstream: r.Upstream}, now, r.Duration, bad)
	for _, t := range r.Tries {
		if t.Endpoint != "" {
			at := traffic.Key{Upstream: r.Upstream, Endpoint: t.Endpoint}
			c.traffic.Add(at, now, t.Duration, t.Err != nil || t.Status >= 500)
		}
	}
	// What we refused ourselves says nothing of the endpoint that it would have got.
	if r.Last.Endpoint != "" && (r.Err == nil || mesh.OutcomeOf(ctx, nil, r.Err).Kind != mesh.Local) {
		c.traffic.Add(traffic.Key{Upstream: r.Upstream, Endpoint: r.Last.Endpoint}, now, journal.LastTook(&r), bad)
	}
	if c.journal != nil {
		c.journal.Add(&r, bad, (*journal.Reads)(c.reads()))
	}
}
