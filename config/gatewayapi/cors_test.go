package gatewayapi

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOriginsAreComparedWithTheirWildcards(t *testing.T) {
	for _, tc := range []struct {
		allowed, origin string
		want            bool
	}{
		{"https://a.com", "https://a.com", true},
		{"https://a.com", "http://a.com", false},
		{"https://a.com", "https://a.com:8443", false},
		{"https://*.a.com", "https://x.a.com", true},
		{"https://*.a.com", "https://x.y.a.com", true},
		{"https://*.a.com", "https://a.com", false},
		{"https://*.a.com", "https://evil.com/.a.com", false},
		{"https://*.a.com:8443", "https://x.a.com:8443", true},
		{"https://*", "https://anything.org", true},
		{"*", "https://anything.org:1", true},
	} {
		b := startBackend(t, nil)
		_, h := b.gateway(t, parse(t, edge, service("shop/a"), httpRoute("shop/a", onEdge+`
rules:
- filters: [{type: CORS, cors: {allowOrigins: ["`+tc.allowed+`"], allowMethods: [PUT], allowHeaders: ["*"], allowCredentials: true}}]
  backendRefs: [{name: a, port: 80}]
`)))
		preflight := askWith(h, httptest.NewRequest(http.MethodOptions, "http://shop/", nil), "Origin", tc.origin, "Access-Control-Request-Method", "PUT")
		require.Equal(t, http.StatusOK, preflight.StatusCode)
		require.Empty(t, preflight.Header.Get("X-Endpoint"), "a preflight is never sent on")
		require.Empty(t, preflight.Header.Get("Access-Control-Allow-Headers"), "none were asked for")
		simple := ask(h, "http://shop/", "Origin", tc.origin)
		require.Equal(t, "a", who(simple))
		for _, res := range []*http.Response{preflight, simple} {
			require.Equal(t, tc.want, res.Header.Get("Access-Control-Allow-Origin") == tc.origin, "%s and %s", tc.allowed, tc.origin)
			require.Equal(t, tc.want, res.Header.Get("Access-Control-Allow-Credentials") == "true")
		}
		require.Equal(t, tc.want, preflight.Header.Get("Access-Control-Max-Age") == "5", "the default, for allowed origins alone")
	}
}
