package istio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mtls"
)

const (
	strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
`
	frontendOnly = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: frontend-only, namespace: shop}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/frontend]}}]
---
`
	denyAll = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: shop}
spec: {action: DENY, rules: [{}]}
---
`
	tokens = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec: {jwtRules: [{issuer: idp, jwksUri: https://idp.example/keys}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tokens, namespace: shop}
spec: {rules: [{from: [{source: {requestPrincipals: [idp/me]}}]}]}
---
`
	custom = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: shop}
spec: {action: CUSTOM, provider: {name: asked}, rules: [{}]}
---
`
	// Right, and yet nothing that a server could carry out.
	impossible = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: filters, namespace: shop}
spec: {rules: [{when: [{key: 'experimental.envoy.filters.a[b]', values: [c]}]}]}
---
`
)

var shop = istio.Workload{Namespace: "shop", Labels: map[string]string{"app": "reviews"}}

func identity(t testing.TB, ca *certtest.CA, account string) *mtls.Identity {
	t.Helper()
	var c mtls.Config
	c.CertFile, c.KeyFile, c.RootsFile = ca.Write(t.TempDir(), "spiffe://cluster.local/ns/shop/sa/"+account)
	id, err := mtls.New(c)
	require.NoError(t, err)
	return id
}

// start serves a greeting through s and gives the address.
func start(t testing.TB, s *istio.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := mtls.Peer(r)
		fmt.Fprint(w, r.URL.Path, " by ", caller.ServiceAccount)
	}))}
	ended := make(chan error)
	go func() { ended <- server.Serve(s.Listener(l)) }()
	t.Cleanup(func() { server.Close(); <-ended })
	return l.Addr().String()
}

// ask sends GET to addr, over mutual TLS if an identity is given.
func ask(t testing.TB, addr, path string, as *mtls.Identity) (int, string, error) {
	t.Helper()
	tr, scheme := new(http.Transport), "http"
	if as != nil {
		tr.TLSClientConfig, scheme = as.Client(), "https"
	}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get(scheme + "://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestAServerLetsInWhomItsResourcesLetIn(t *testing.T) {
	ca := certtest.NewCA()
	frontend, batch := identity(t, ca, "frontend"), identity(t, ca, "batch")
	var told []access.Record
	s, err := istio.NewServer(parse(t, strict+frontendOnly), istio.ServerConfig{
		Workload: shop, Identity: identity(t, ca, "reviews"),
		Sinks: []access.Sink{func(_ context.Context, r access.Record) { told = append(told, r) }},
	})
	require.NoError(t, err)
	addr := start(t, s)
	_, port, _ := net.SplitHostPort(addr)

	status, body, err := ask(t, addr, "/a/../b", frontend)
	require.NoError(t, err)
	require.Equal(t, "200 /b by frontend", fmt.Sprint(status, " ", body))
	status, body, err = ask(t, addr, "/", batch)
	require.NoError(t, err)
	require.Equal(t, "403 RBAC: access denied", fmt.Sprint(status, " ", body))
	_, _, err = ask(t, addr, "/", nil)
	require.Error(t, err, "plain text")

	require.Equal(t, authz.Stats{Allowed: 1, Denied: 1}, s.Stats())
	require.Len(t, told, 2)
	require.Equal(t, "inbound|"+port+"||", told[0].Upstream)
	require.Equal(t, []any{mesh.DetailsViaUpstream, 1}, []any{told[0].Details, told[0].Attempts})
	require.Equal(t, []any{"rbac_access_denied_matched_policy[none]", 0}, []any{told[1].Details, told[1].Attempts})
}

func TestAServerThatCouldNotKeepOutDoesNotStart(t *testing.T) {
	ca := certtest.NewCA()
	for _, c := range []struct {
		name, documents string
		config          istio.ServerConfig
		reason          string
	}{
		{"mutual TLS without an identity", strict, istio.ServerConfig{}, "PeerAuthentication shop/strict: spec.mtls.mode: needs an identity"},
		{"tokens without a verifier", tokens, istio.ServerConfig{}, "RequestAuthentication shop/tokens: cannot be carried out"},
		{"a verifier that is none", tokens, istio.ServerConfig{Tokens: func([]*security.JWTRule) (func(*http.Request) (*http.Request, error), error) { return nil, nil }}, "nothing that verifies"},
		{"a provider that is not there", custom, istio.ServerConfig{}, "is a provider that the server does not have"},
		{"a condition that no server knows", impossible, istio.ServerConfig{}, "AuthorizationPolicy shop/filters: Rules[0].When[0].Key: is no attribute"},
		{"a trust domain that the identity does not know", "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ntrustDomain: new.local\n", istio.ServerConfig{Identity: identity(t, ca, "reviews")}, "is a trust domain of the mesh that the server's identity does not accept"},
		{"a version of TLS that the identity does not ask for", least13, istio.ServerConfig{Identity: identity(t, ca, "reviews")}, "MeshConfig.meshMTLS.minProtocolVersion: is more than the server's identity asks for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Workload = shop
			_, err := istio.NewServer(parse(t, c.documents), c.config)
			require.ErrorContains(t, err, c.reason)

			// The same on reload changes nothing.
			good := c.config
			if good.Identity == nil {
				good.Identity = identity(t, ca, "reviews")
			}
			s, err := istio.NewServer(parse(t, denyAll), good)
			require.NoError(t, err)
			if strings.HasPrefix(c.name, "mutual TLS") {
				return // this one has an identity
			}
			require.ErrorContains(t, s.Update(parse(t, c.documents)), c.reason)
			w := httptest.NewRecorder()
			s.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			require.Equal(t, http.StatusForbidden, w.Code)
		})
	}
	broken, err := istio.Parse("mesh.yaml", strings.NewReader("kind: ["))
	require.Error(t, err)
	_, err = istio.NewServer(broken, istio.ServerConfig{})
	require.Error(t, err)
}

const least13 = "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nmeshMTLS: {minProtocolVersion: TLSV1_3}\n"

func TestTheLeastVersionOfTheMesh(t *testing.T) {
	ca := certtest.NewCA()
	config := parse(t, least13)
	me := identity(t, ca, "reviews")
	require.NoError(t, me.SetMinVersion(config.MinTLSVersion()))
	s, err := istio.NewServer(config, istio.ServerConfig{Workload: shop, Identity: me})
	require.NoError(t, err)
	addr := start(t, s)
	for most, lets := range map[uint16]bool{tls.VersionTLS12: false, tls.VersionTLS13: true} {
		c := identity(t, ca, "frontend").Client()
		c.MaxVersion = most
		tr := &http.Transport{TLSClientConfig: c}
		res, err := (&http.Client{Transport: tr}).Get("https://" + addr)
		if require.Equal(t, lets, err == nil, err); lets {
			require.NoError(t, res.Body.Close())
		}
		tr.CloseIdleConnections()
	}
	require.EqualValues(t, tls.VersionTLS12, parse(t, "").MinTLSVersion())
}

func TestUpdatesOfAServer(t *testing.T) {
	ca := certtest.NewCA()
	frontend := identity(t, ca, "frontend")
	s, err := istio.NewServer(parse(t, ""), istio.ServerConfig{Workload: shop, Identity: identity(t, ca, "reviews")})
	require.NoError(t, err)
	addr := start(t, s)
	plain := &http.Client{Transport: new(http.Transport)}
	defer plain.CloseIdleConnections()
	get := func() int {
		res, err := plain.Get("http://" + addr)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	require.Equal(t, 200, get())

	require.NoError(t, s.Update(parse(t, strict)))
	require.Equal(t, 403, get(), "the connection was made before")
	_, _, err = ask(t, addr, "/", nil)
	require.Error(t, err)
	status, _, err := ask(t, addr, "/", frontend)
	require.NoError(t, err)
	require.Equal(t, 200, status)

	require.NoError(t, s.Update(parse(t, strict+denyAll)))
	status, _, err = ask(t, addr, "/", frontend)
	require.NoError(t, err)
	require.Equal(t, 403, status)
}

func TestTokens(t *testing.T) {
	s, err := istio.NewServer(parse(t, tokens), istio.ServerConfig{
		Workload: shop,
		Tokens: func(rules []*security.JWTRule) (func(*http.Request) (*http.Request, error), error) {
			require.Equal(t, "idp", rules[0].Issuer)
			return func(r *http.Request) (*http.Request, error) {
				switch token := r.Header.Get("Authorization"); token {
				case "":
					return r, nil
				case "Bearer bad":
					return nil, errors.New("expired")
				case "Bearer login":
					return nil, &mesh.Error{Op: "login", Status: http.StatusFound, Header: http.Header{"Location": {"/login"}}}
				default:
					return r.WithContext(authz.WithClaims(r.Context(), map[string]any{"iss": "idp", "sub": strings.TrimPrefix(token, "Bearer ")})), nil
				}
			}, nil
		},
	})
	require.NoError(t, err)
	h := s.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for token, want := range map[string]int{"": 403, "Bearer me": 200, "Bearer you": 403, "Bearer bad": 401, "Bearer login": 302} {
		r := httptest.NewRequest("GET", "/", nil)
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, token)
	}
}

func TestProxyHeadersOfAServer(t *testing.T) {
	s, err := istio.NewServer(parse(t, ""), istio.ServerConfig{ProxyHeaders: true})
	require.NoError(t, err)
	var got http.Header
	h := s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.Header().Set("Server", "app")
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-Client-Cert", "By=me")
	r.Header.Set("X-Envoy-Retry-On", "5xx")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.NotContains(t, got, "X-Envoy-Retry-On", "callers do not steer a sidecar")
	require.Equal(t, "http", got.Get("X-Forwarded-Proto"))
	require.Len(t, got.Get("X-Request-Id"), 36)
	require.Empty(t, got.Values("X-Forwarded-Client-Cert"), "plain text cannot show a certificate")
	require.Equal(t, "istio-envoy", w.Header().Get("Server"))
	require.NotEmpty(t, w.Header().Get("X-Envoy-Upstream-Service-Time"))

	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/%00", nil))
	require.Equal(t, 400, w.Code)
	require.Equal(t, "istio-envoy", w.Header().Get("Server"))
	require.Empty(t, w.Header().Get("X-Envoy-Upstream-Service-Time"))
}

func TestServerHandlerContract(t *testing.T) {
	s, err := istio.NewServer(parse(t, ""), istio.ServerConfig{
		Identity: identity(t, certtest.NewCA(), "reviews"), Sinks: []access.Sink{func(context.Context, access.Record) {}},
	})
	require.NoError(t, err)
	meshtest.TestHandler(t, s.Handler)
}
