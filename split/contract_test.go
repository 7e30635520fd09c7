package split_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/split"
)

func TestLayersKeepTheContract(t *testing.T) {
	sticky, err := split.NewSticky(split.StickyConfig{Key: match.HeaderKey("X-User")})
	require.NoError(t, err)
	client := func(next http.RoundTripper) *split.Splitter[http.RoundTripper] {
		s, err := split.New(split.ClientBranch{Name: "v1", Weight: 1, Value: next}, split.ClientBranch{Name: "v2", Weight: 1, Value: next})
		require.NoError(t, err)
		return s
	}
	server := func(next http.Handler) *split.Splitter[http.Handler] {
		s, err := split.New(split.ServerBranch{Name: "v1", Weight: 1, Value: next}, split.ServerBranch{Name: "v2", Weight: 1, Value: next})
		require.NoError(t, err)
		return s
	}
	t.Run("transport", func(t *testing.T) {
		meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper { return split.Transport(client(next)) })
	})
	t.Run("sticky transport", func(t *testing.T) {
		meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper { return sticky.Transport(client(next)) })
	})
	t.Run("handler", func(t *testing.T) {
		meshtest.TestHandler(t, func(next http.Handler) http.Handler { return split.Handler(server(next)) })
	})
	t.Run("sticky handler", func(t *testing.T) {
		meshtest.TestHandler(t, func(next http.Handler) http.Handler { return sticky.Handler(server(next)) })
	})
}
