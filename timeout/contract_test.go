package timeout_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/timeout"
)

func TestLayersKeepTheContract(t *testing.T) {
	for name, c := range map[string]timeout.Config{
		"off":   {},
		"bound": {Total: time.Minute, GRPC: true, Honor: func(*http.Request) bool { return true }},
	} {
		bounds, err := timeout.New(c)
		require.NoError(t, err)
		t.Run(name+" transport", func(t *testing.T) { meshtest.TestTransport(t, bounds.Transport) })
		t.Run(name+" handler", func(t *testing.T) { meshtest.TestHandler(t, bounds.Handler) })
	}
	t.Run("announce", func(t *testing.T) { meshtest.TestTransport(t, timeout.Announce) })
}
