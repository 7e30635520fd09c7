package breaker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/meshtest"
)

func TestLayersKeepTheContract(t *testing.T) {
	for name, c := range map[string]breaker.Config{
		"off":     {},
		"limits":  {Limits: breaker.LimitsConfig{MaxRequests: 1000}},
		"circuit": {Trip: breaker.Trip{Consecutive: 1000}},
	} {
		b, err := breaker.New(c)
		require.NoError(t, err)
		t.Run(name+" transport", func(t *testing.T) { meshtest.TestTransport(t, b.Transport) })
		t.Run(name+" handler", func(t *testing.T) { meshtest.TestHandler(t, b.Handler) })
	}
}
