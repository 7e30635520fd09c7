package authz_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
)

// serve is what a caller gets through a's handler. A handler inside tells in
// headers which path it saw.
func serve(a *authz.Authorizer, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Saw-Path", r.URL.Path)
		w.Header().Set("Saw-Target", r.RequestURI)
	})).ServeHTTP(w, r)
	return w
}

func TestHandlerContract(t *testing.T) {
	a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow(authz.Rule{})}})
	meshtest.TestHandler(t, a.Handler)
}

func TestRefusalsAreThoseOfASidecar(t *testing.T) {
	a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow()}})
	w := serve(a, request("GET /x"))
	require.Equal(t, 403, w.Code)
	require.Equal(t, "RBAC: access denied", w.Body.String())
	require.Equal(t, "text/plain", w.Header().Get("Content-Type"))

	w = serve(a, request("HEAD /x"))
	require.Equal(t, 403, w.Code)
	require.Empty(t, w.Body.String())
	require.Equal(t, "19", w.Header().Get("Content-Length"))

	w = serve(a, request("POST /x", withHeader("Content-Type", "application/grpc")))
	require.Equal(t, 200, w.Code)
	require.Equal(t, "7", w.Header().Get("Grpc-Status")) // PERMISSION_DENIED
	require.Equal(t, "RBAC: access denied", w.Header().Get("Grpc-Message"))

	w = serve(a, request("GET /%00"))
	require.Equal(t, 400, w.Code)
	require.Empty(t, w.Body.String())
}

func TestTheNormalPathIsHandedOn(t *testing.T) {
	for _, c := range []struct{ target, path, want string }{
		{"/x", "/x", "/x"},
		{"/a/../b?q=/../c", "/b", "/b?q=/../c"},
		{"/%61/./b?", "/a/b", "/a/b?"},
		{`/a\b`, "/a/b", "/a/b"},
		{"/a%2F..%2Fb", "/a/../b", "/a%2F..%2Fb"}, // escaped slashes are none
		{"/a|b", "/a|b", "/a%7Cb"},
		{"http://h.example/a/../b", "/b", "/b"},
	} {
		r := request("GET " + c.target)
		before := *r.URL
		w := serve(newAuthorizer(t, authz.Config{}), r)
		require.Equal(t, c.path, w.Header().Get("Saw-Path"), c.target)
		require.Equal(t, c.want, w.Header().Get("Saw-Target"), c.target)
		require.Equal(t, before, *r.URL, "the request that came is not changed")
	}
	merged := newAuthorizer(t, authz.Config{Paths: match.PathDecodeAndMergeSlashes})
	require.Equal(t, "/b", serve(merged, request("GET //a%2F..%2F/b")).Header().Get("Saw-Path"))
	raw := newAuthorizer(t, authz.Config{RawPaths: true})
	require.Equal(t, "/a/../b", serve(raw, request("GET /a/../b")).Header().Get("Saw-Path"))
}
