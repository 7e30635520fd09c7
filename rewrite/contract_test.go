package rewrite_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/rewrite"
)

func TestLayersKeepTheContract(t *testing.T) {
	w, err := rewrite.New(rewrite.Config{
		Request:  []rewrite.Headers{{Set: http.Header{"X-Added": {"%PROTOCOL%"}}}},
		Response: []rewrite.Headers{{Remove: []string{"X-Not-There"}}}, // it looks at every answer and leaves it as it is
	})
	require.NoError(t, err)
	cors, err := rewrite.NewCORS(rewrite.CORSConfig{Origins: []match.Value{match.Present()}})
	require.NoError(t, err)
	t.Run("transport", func(t *testing.T) { meshtest.TestTransport(t, w.Transport) })
	t.Run("handler", func(t *testing.T) { meshtest.TestHandler(t, w.Handler) })
	t.Run("CORS transport", func(t *testing.T) { meshtest.TestTransport(t, cors.Transport) })
	t.Run("CORS handler", func(t *testing.T) { meshtest.TestHandler(t, cors.Handler) })
}
