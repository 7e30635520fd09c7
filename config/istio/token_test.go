package istio_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/config/requestauth"
	"github.com/sidecarless/mesh/jwt"
)

// An idp signs tokens.
type idp struct{ key *ecdsa.PrivateKey }

func newIDP(t testing.TB) idp {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return idp{key}
}

// keys are the public ones, in JSON.
func (i idp) keys(t testing.TB) string {
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1"}}})
	require.NoError(t, err)
	return string(text)
}

func (i idp) token(t testing.TB, claims string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key}, nil)
	require.NoError(t, err)
	signed, err := signer.Sign([]byte(claims))
	require.NoError(t, err)
	text, err := signed.CompactSerialize()
	require.NoError(t, err)
	return text
}

func tokensOf(t testing.TB) (keys *jwt.Keys) {
	keys, err := jwt.NewKeys(jwt.KeysConfig{})
	require.NoError(t, err)
	return keys
}

// requestAuthentication has one rule, of the issuer "idp".
func requestAuthentication(keys, more string) string {
	return "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: tokens, namespace: shop}\nspec:\n  jwtRules:\n  - issuer: idp\n    " + keys + "\n" + more + "---\n"
}

func TestRequestAuthenticationIsCarriedOut(t *testing.T) {
	i := newIDP(t)
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched++
		fmt.Fprint(w, i.keys(t))
	}))
	defer server.Close()
	documents := requestAuthentication("jwksUri: "+server.URL, `    audiences: [shop]
    fromHeaders: [{name: x-token, prefix: "jwt "}]
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [{header: x-sub, claim: sub}]
    spaceDelimitedClaims: [roles]
`) + `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: who, namespace: shop}
spec:
  rules:
  - from: [{source: {requestPrincipals: [idp/ann]}}]
  - when:
    - {key: "request.auth.claims[groups][names]", values: [staff]}
    - {key: request.auth.audiences, values: [shop]}
    - {key: request.auth.presenter, values: [app]}
  - when: [{key: "request.auth.claims[roles]", values: [reader]}]
---
`
	tokens := requestauth.Tokens(tokensOf(t))
	s, err := istio.NewServer(parse(t, documents), istio.ServerConfig{Workload: shop, Tokens: tokens})
	require.NoError(t, err)
	var served http.Header
	h := s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { served = r.Header }))
	send := func(token string) string {
		r := httptest.NewRequest("GET", "http://reviews.shop/x", nil)
		r.Header.Set("X-Sub", "root")
		if token != "" {
			r.Header.Set("X-Token", "jwt "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	require.Equal(t, "403 RBAC: access denied", send(""), "a policy needs one")
	require.Equal(t, "200 ", send(i.token(t, `{"iss":"idp","sub":"ann","aud":"shop"}`)))
	require.Equal(t, "ann", served.Get("X-Sub"))
	require.NotEmpty(t, served.Get("X-Payload"))
	require.Empty(t, served.Get("X-Token"))
	require.Equal(t, "403 RBAC: access denied", send(i.token(t, `{"iss":"idp","sub":"bob","aud":"shop"}`)))
	require.Equal(t, "200 ", send(i.token(t, `{"iss":"idp","sub":"bob","aud":["x","shop"],"azp":"app","groups":{"names":["a","staff"]}}`)))
	require.Equal(t, "200 ", send(i.token(t, `{"iss":"idp","sub":"bob","aud":"shop","roles":"writer reader"}`)))
	require.Equal(t, "403 Audiences in Jwt are not allowed", send(i.token(t, `{"iss":"idp","sub":"ann"}`)))
	require.Equal(t, "401 Jwt is expired", send(i.token(t, `{"iss":"idp","sub":"ann","aud":"shop","exp":1}`)))
	require.Equal(t, "401 Jwt issuer is not configured", send(i.token(t, `{"iss":"evil","sub":"ann","aud":"shop"}`)))
	require.Equal(t, "401 Jwt verification fails", send(newIDP(t).token(t, `{"iss":"idp","sub":"ann","aud":"shop"}`)))

	// The keys stay over a reload.
	require.NoError(t, s.Update(parse(t, documents+denyAll)))
	require.Equal(t, "403 RBAC: access denied", send(i.token(t, `{"iss":"idp","sub":"ann","aud":"shop"}`)))
	require.Equal(t, 1, fetched)
}

// A sidecar asks the provider before it looks at tokens: the provider sees them, and
// what it refuses is refused whatever the token.
func TestProvidersComeBeforeTokens(t *testing.T) {
	i := newIDP(t)
	documents := requestAuthentication("jwks: '"+i.keys(t)+"'", "") + custom
	var seen string
	allow := true
	s, err := istio.NewServer(parse(t, documents), istio.ServerConfig{
		Workload: shop, Tokens: requestauth.Tokens(tokensOf(t)),
		Providers: map[string]func(*http.Request) (authz.Answer, error){"asked": func(r *http.Request) (authz.Answer, error) {
			seen = r.Header.Get("Authorization")
			return authz.Answer{Allowed: allow}, nil
		}},
	})
	require.NoError(t, err)
	h := s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.Empty(t, r.Header.Get("Authorization"))
	}))
	send := func(token string) int {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	good := i.token(t, `{"iss":"idp"}`)
	require.Equal(t, 200, send(good))
	require.Equal(t, "Bearer "+good, seen)
	require.Equal(t, 401, send("bad"))
	allow = false
	require.Equal(t, 403, send("bad"))
}

func TestRulesThatCannotBeVerifiedBy(t *testing.T) {
	for spec, reason := range map[string]string{
		"jwks: '{\"keys\": [{\"kty\": \"RSA\", \"n\": \"0vx7\", \"e\": \"AQAB\", \"use\": \"enc\"}]}'": "holds no key that verifies signatures",
		"audiences: [a]": "must be a URL of http or https",
	} {
		_, err := istio.NewServer(parse(t, requestAuthentication(spec, "")), istio.ServerConfig{Workload: shop, Tokens: requestauth.Tokens(tokensOf(t))})
		require.ErrorContains(t, err, reason)
		require.ErrorContains(t, err, "RequestAuthentication shop/tokens")
	}
}

// Routes of a gateway may look at claims.
func TestAGatewayRoutesByClaims(t *testing.T) {
	i := newIDP(t)
	one, two := httptest.NewServer(sayer("one")), httptest.NewServer(sayer("two"))
	defer one.Close()
	defer two.Close()
	entry := func(name string, s *httptest.Server) string {
		_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
		return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ` + name + `, namespace: shop}
spec:
  hosts: [` + name + `.shop.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: ` + port + `}]
  endpoints: [{address: 127.0.0.1}]
---
`
	}
	documents := `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["shop.example"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http:
  - match: [{headers: {"@request.auth.claims[groups]": {exact: beta}}}, {headers: {"@request.auth.claims.org.unit": {prefix: lab}}}]
    route: [{destination: {host: two}}]
  - match: [{uri: {prefix: /anonymous}, withoutHeaders: {"@request.auth.claims[sub]": {}}}]
    directResponse: {status: 418}
  - route: [{destination: {host: one}}]
---
` + entry("one", one) + entry("two", two) + requestAuthentication("jwks: '"+i.keys(t)+"'", "    forwardOriginalToken: true\n")
	g, err := istio.NewGateway(parse(t, documents), istio.GatewayConfig{
		Workload: istio.Workload{Namespace: "shop", Labels: map[string]string{"app": "edge"}}, Tokens: requestauth.Tokens(tokensOf(t)),
	})
	require.NoError(t, err)
	defer g.Close()
	send := func(path, claims string) string {
		r := httptest.NewRequest("GET", "http://shop.example"+path, nil)
		if claims != "" {
			r.Header.Set("Authorization", "Bearer "+i.token(t, claims))
		}
		w := httptest.NewRecorder()
		g.Handler(80).ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	require.Equal(t, "200 one", send("/", ""))
	require.Equal(t, "200 one", send("/", `{"iss":"idp","sub":"a","groups":["alpha"]}`))
	require.Equal(t, "200 two", send("/", `{"iss":"idp","sub":"a","groups":["alpha","beta"]}`))
	require.Equal(t, "200 two", send("/", `{"iss":"idp","sub":"a","org":{"unit":"lab-7"}}`))
	require.Equal(t, "418 ", send("/anonymous", ""))
	require.Equal(t, "200 one", send("/anonymous", `{"iss":"idp","sub":"a"}`))
	require.Equal(t, "401 Jwt issuer is not configured", send("/", `{"iss":"evil","groups":["beta"]}`))
}

// A sayer is a server that says its name.
type sayer string

// ServeHTTP implements http.Handler.
func (n sayer) ServeHTTP(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, string(n)) }
