package build

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/internal/flow"
)

func byHeader(name string) *networking.LoadBalancerSettings_ConsistentHashLB {
	return &networking.LoadBalancerSettings_ConsistentHashLB{
		HashKey: &networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName{HttpHeaderName: name},
	}
}

// TestHashesOfARule shows where a rule hashes beside the cluster: what the cluster
// would hash by does not count then, whether the rule hashes or not.
func TestHashesOfARule(t *testing.T) {
	whole, other := byHeader("X-Whole"), byHeader("X-Other")
	for _, tt := range []struct {
		name     string
		balances bool // the cluster, by hash
		ofRule   []*networking.LoadBalancerSettings_ConsistentHashLB
		beside   bool // the cluster
		hashed   map[string]bool
	}{
		{"the cluster's own", true, []*networking.LoadBalancerSettings_ConsistentHashLB{whole}, false, nil},
		{"another", true, []*networking.LoadBalancerSettings_ConsistentHashLB{other}, true, map[string]bool{"X-Whole": false, "X-Other": true}},
		{"none", true, []*networking.LoadBalancerSettings_ConsistentHashLB{nil}, true, map[string]bool{"X-Whole": false, "X-Other": false}},
		{"several", true, []*networking.LoadBalancerSettings_ConsistentHashLB{nil, whole, other}, true, map[string]bool{"X-Whole": true, "X-Other": true}},
		{"a cluster that does not balance by hash", false, []*networking.LoadBalancerSettings_ConsistentHashLB{other, whole}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := &cluster{target: &plan.Target{Hash: whole}}
			if tt.balances {
				to.target.Policy.LoadBalancer = &networking.LoadBalancerSettings{
					LbPolicy: &networking.LoadBalancerSettings_ConsistentHash{ConsistentHash: whole},
				}
			}
			rule := &plan.Rule{}
			for _, h := range tt.ofRule {
				rule.Destinations = append(rule.Destinations, plan.Destination{Hash: h})
			}
			hash, err := (&update{mesh: &Mesh{}}).hashing(rule, to)
			require.NoError(t, err)
			require.Equal(t, tt.beside, hash != nil)
			for header, hashed := range tt.hashed {
				var m *flow.More
				next := roundTrip(func(r *http.Request) (*http.Response, error) {
					m = flow.Of(r).More
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
				})
				r := httptest.NewRequest("GET", "http://a/", nil)
				r.Header.Set(header, "x")
				_, err := hash(next).RoundTrip(r)
				require.NoError(t, err)
				require.True(t, m.HashKnown)
				require.Equal(t, hashed, m.Hashed, header)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
