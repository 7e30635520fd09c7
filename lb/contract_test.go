package lb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
)

func TestTheTransportKeepsTheContract(t *testing.T) {
	for name, c := range map[string]lb.Config{
		"least request": {},
		"by a cookie":   {Algorithm: lb.Maglev{}, Hash: []lb.HashSource{{Cookie: &lb.HashCookie{Name: "user", Issue: true}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Endpoints = lb.Addrs("10.0.0.1:80", "10.0.0.2:80")
			b, err := lb.New(c)
			require.NoError(t, err)
			meshtest.TestTransport(t, b.Transport)
		})
	}
}
