package lb

import (
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

// The rings and tables of Envoy again, with priorities, health and localities as
// a balancer sees them.
func TestABalancerPlacesEveryKeyWhereEnvoyDoes(t *testing.T) {
	for _, kind := range []string{"ring_hash", "maglev"} {
		for _, c := range envoyCases[placing](t, kind) {
			t.Run(c.ID, func(t *testing.T) {
				config := Config{LocalityWeighted: c.Config.Localized}
				config.Algorithm = Maglev{TableSize: c.Config.TableSize}
				if kind == "ring_hash" {
					config.Algorithm = RingHash{MinSize: c.Config.MinSize, MaxSize: c.Config.MaxSize, Murmur: c.Config.Function == "MURMUR_HASH_2"}
				}
				if p := c.Config.Panic; p != nil {
					config.Panic, config.NoPanic = mesh.Percent(float64(*p)), *p == 0
				}
				for _, e := range c.Endpoints {
					endpoint := e.host().Endpoint()
					endpoint.Priority = uint32(e.Priority)
					endpoint.Locality.Zone = e.Zone
					endpoint.LocalityWeight = e.ZoneWeight
					config.Endpoints = append(config.Endpoints, endpoint)
				}
				b := balanced(t, config)
				for _, e := range c.Endpoints {
					b.Host(e.addr()).SetHealthy(e.Health != "UNHEALTHY")
				}
				b.settle()
				for _, s := range c.Samples {
					lease, err := b.Pick(Query{Hash: xxhash.Sum64String(s.Key), Hashed: true})
					require.NoError(t, err)
					require.Equal(t, placedEndpoint{Port: s.Port}.addr(), lease.Host().Addr(), "key %q", s.Key)
					lease.Done(mesh.Outcome{})
				}
			})
		}
	}
}
