package upstream_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// Each case has an upstream of its own, whose attempts end at the case's stub.
func TestAnUpstreamKeepsTheContractOfALayer(t *testing.T) {
	for name, c := range map[string]upstream.Config{
		"as it comes":        {},
		"without repetition": {NoRetry: true, NoEjection: true},
		"with limits":        {Breaker: breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: 1000}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Endpoints = lb.Addrs("10.0.0.1:80", "10.0.0.2:80")
			meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper {
				c.Transport = next
				u, err := upstream.New(c)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, u.Close()) })
				return u
			})
		})
	}
}
