package requestauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/config/requestauth"
	"github.com/sidecarless/mesh/jwt"
)

// resources say whose tokens are good, and that nobody gets in without one.
const resources = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec:
  jwtRules:
  - issuer: https://idp.example
    jwks: '%s'
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: with-a-token, namespace: shop}
spec:
  rules:
  - from: [{source: {requestPrincipals: ["*"]}}]
`

// A server with a RequestAuthentication, and with the policy that makes tokens a duty.
func Example() {
	public, token := issuer(`{"iss": "https://idp.example", "sub": "ann"}`)
	config, err := istio.Parse("mesh.yaml", strings.NewReader(fmt.Sprintf(resources, public)))
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := jwt.NewKeys(jwt.KeysConfig{}) // keys.Run fetches those that stand at a URL beforehand
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := istio.NewServer(config, istio.ServerConfig{
		Workload: istio.Workload{Namespace: "shop"},
		Tokens:   requestauth.Tokens(keys),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := server.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", jwt.Claims(r.Context())["sub"])
	}))
	for _, authorization := range []string{"", "Bearer forged", "Bearer " + token} {
		r := httptest.NewRequest(http.MethodGet, "/cart", nil)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 403 RBAC: access denied
	// 401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections
	// 200 hello ann
}

// Without something that verifies tokens a server does not start: resources that ask
// for it are never ignored.
func ExampleTokens_mistake() {
	public, _ := issuer(`{}`)
	config, err := istio.Parse("mesh.yaml", strings.NewReader(fmt.Sprintf(resources, public)))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = istio.NewServer(config, istio.ServerConfig{Workload: istio.Workload{Namespace: "shop"}})
	fmt.Println(err)
	// Output:
	// mesh.yaml:2: RequestAuthentication shop/tokens: cannot be carried out: the server has nothing that verifies tokens
}

// issuer is the public key of somebody who signs tokens, and one token. In truth both
// come from elsewhere.
func issuer(claims string) (keySet, token string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		panic(err)
	}
	if token, err = signed.CompactSerialize(); err != nil {
		panic(err)
	}
	return string(public), token
}
