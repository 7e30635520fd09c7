package mesh_test

import (
	"net/http"
	"testing"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
)

func TestTheModulesOwnLayersKeepTheContract(t *testing.T) {
	same := func(next http.RoundTripper) http.RoundTripper { return next }
	t.Run("transport", func(t *testing.T) { meshtest.TestTransport(t, mesh.Chain(same, nil, same)) })
	t.Run("errors as responses", func(t *testing.T) { meshtest.TestTransport(t, mesh.ErrorsAsResponses) })
}
