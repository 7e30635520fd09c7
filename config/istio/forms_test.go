package istio_test

import (
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/istio"
)

// The server removes the files of a form that its own request has.
func TestTheServerIsToldOfTheFormThatAHandlerHasParsed(t *testing.T) {
	s, err := istio.NewServer(parse(t, `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec: {jwtRules: [{issuer: idp, jwksUri: https://idp.example/keys}]}
`), istio.ServerConfig{
		Workload:     istio.Workload{Namespace: "shop"},
		ProxyHeaders: true,
		Tokens: func([]*security.JWTRule) (func(*http.Request) (*http.Request, error), error) {
			return func(r *http.Request) (*http.Request, error) { return r.WithContext(r.Context()), nil }, nil
		},
	})
	require.NoError(t, err)
	defer s.Close()
	h := s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.MultipartForm = new(multipart.Form) // as ParseMultipartForm does
	}))
	r := httptest.NewRequest(http.MethodPost, "/upload/./it", nil)
	r.Header.Set("X-Forwarded-Client-Cert", "URI=spiffe://cluster.local/ns/shop/sa/frontend")
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.NotNil(t, r.MultipartForm)
}
