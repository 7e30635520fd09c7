package mesh_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/rewrite"
	"github.com/sidecarless/mesh/timeout"
)

// A server removes the files of the form that was parsed from its own request: of
// that which a handler gets as a copy it must be told.
func TestFilesOfFormsAreRemovedThroughEveryLayer(t *testing.T) {
	sink := access.Sink(func(context.Context, access.Record) {})
	bound, err := timeout.New(timeout.Config{Total: time.Minute})
	require.NoError(t, err)
	copies, err := mirror.New(mirror.Config{To: meshtest.NewUpstream(), Share: mesh.Always})
	require.NoError(t, err)
	defer copies.Close()
	path, err := rewrite.New(rewrite.Config{Path: "/other", Request: []rewrite.Headers{{Set: http.Header{"X-Set": {"1"}}}}})
	require.NoError(t, err)
	policies, err := authz.New(authz.Config{})
	require.NoError(t, err)
	layers := map[string]func(http.Handler) http.Handler{
		"none":    mesh.Chain[http.Handler](),
		"access":  sink.Handler,
		"explain": access.Explainer{Allow: func(*http.Request) bool { return true }}.Handler,
		"timeout": bound.Handler,
		"mirror":  copies.Handler,
		"rewrite": path.Handler,
		"retry":   retry.Handler,
		"authz":   policies.Handler,
	}
	var all []func(http.Handler) http.Handler
	for _, layer := range layers {
		all = append(all, layer)
	}
	layers["all"] = mesh.Chain(all...)
	for name, layer := range layers {
		t.Run(name, func(t *testing.T) {
			files := t.TempDir()
			t.Setenv("TMPDIR", files)
			server := httptest.NewServer(layer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := r.ParseMultipartForm(1); err != nil {
					t.Error(err)
				}
				if list, _ := os.ReadDir(files); len(list) == 0 {
					t.Error("the form has no file")
				}
			})))
			var form bytes.Buffer
			w := multipart.NewWriter(&form)
			file, err := w.CreateFormFile("upload", "upload.bin")
			require.NoError(t, err)
			_, err = file.Write(make([]byte, 1000)) // more than is kept in memory
			require.NoError(t, err)
			require.NoError(t, w.Close())
			r, err := http.NewRequest(http.MethodPost, server.URL+"/a/./b", &form)
			require.NoError(t, err)
			r.Header.Set("Content-Type", w.FormDataContentType())
			r.Header.Set(access.ExplainHeader, "1")
			res, err := server.Client().Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			server.Close() // waits for the end of the request
			left, err := os.ReadDir(files)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
