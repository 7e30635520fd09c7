package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
)

// An issuer of tokens, with a server of its keys.
func issuer(t *testing.T) (keysURL string, sign func(claims string) string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	require.NoError(t, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) }))
	t.Cleanup(s.Close)
	return s.URL, func(claims string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
		require.NoError(t, err)
		signed, err := signer.Sign([]byte(claims))
		require.NoError(t, err)
		text, err := signed.CompactSerialize()
		require.NoError(t, err)
		return text
	}
}

// tokensFrom are resources by which a workload takes tokens of the issuer "idp".
func tokensFrom(keysURL, namespace string) string {
	return `
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: ` + namespace + `}
spec: {jwtRules: [{issuer: idp, jwksUri: "` + keysURL + `"}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tokens, namespace: ` + namespace + `}
spec: {rules: [{from: [{source: {requestPrincipals: [idp/ann]}}]}]}
`
}

func TestTokensAtTheSidecarOfAServer(t *testing.T) {
	keys, sign := issuer(t)
	p := start(t, "-mode", "inbound", "-f", file(t, "mesh.yaml", tokensFrom(keys, "shop")), "-namespace", "shop", "-app", "127.0.0.1:"+server(t, "reviews", nil))
	for token, want := range map[string]string{
		"":                                     "403 RBAC: access denied",
		sign(`{"iss":"idp","sub":"ann"}`):      "200 reviews",
		sign(`{"iss":"idp","sub":"bob"}`):      "403 RBAC: access denied",
		sign(`{"iss":"evil","sub":"ann"}`):     "401 Jwt issuer is not configured",
		sign(`{"iss":"idp","sub":"a"}`) + ".x": "401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
	} {
		require.Equal(t, want, p.askFor(t, "reviews", "/", token))
	}
}

func TestTokensAtAGateway(t *testing.T) {
	keys, sign := issuer(t)
	gateway := file(t, "gateway.yaml", `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, bind: 127.0.0.1, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app.example.com]
  gateways: [edge]
  http:
  - match: [{headers: {"@request.auth.claims[groups]": {exact: beta}}}]
    directResponse: {status: 200, body: {string: beta}}
  - route: [{destination: {host: app}}]
`+appAt(server(t, "app", nil))+tokensFrom(keys, "default"))
	p := start(t, "-mode", "gateway", "-f", gateway, "-labels", "app=edge")
	require.Equal(t, "200 app", p.askFor(t, "app.example.com", "/", sign(`{"iss":"idp","sub":"ann"}`)))
	require.Equal(t, "200 beta", p.askFor(t, "app.example.com", "/", sign(`{"iss":"idp","sub":"ann","groups":["beta"]}`)))
	require.Equal(t, "403 RBAC: access denied", p.askFor(t, "app.example.com", "/", ""))
	require.Equal(t, "401 Jwt is expired", p.askFor(t, "app.example.com", "/", sign(`{"iss":"idp","sub":"ann","exp":1}`)))

	text, err := os.ReadFile(gateway)
	require.NoError(t, err)
	elsewhere := file(t, "elsewhere.yaml", strings.Replace(string(text), "bind: 127.0.0.1", "bind: 127.0.0.9", 1))
	status, _, stderr := invoke(t, "proxy", "-listen", "127.0.0.1:0", "-mode", "gateway", "-f", elsewhere, "-labels", "app=edge")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "bind: is not carried out")
}

func TestTrustDomainsFollowTheMesh(t *testing.T) {
	ca := certtest.NewCA()
	cert, key, roots := ca.Write(t.TempDir(), "spiffe://cluster.local/ns/shop/sa/reviews")
	strict := securityFor("frontend")
	resources := file(t, "mesh.yaml", strict)
	p := start(t, "-mode", "inbound", "-f", resources, "-namespace", "shop",
		"-app", "127.0.0.1:"+server(t, "reviews", nil), "-cert", cert, "-key", key, "-ca", roots)
	pair, err := tls.X509KeyPair(ca.Issue("spiffe://new.local/ns/shop/sa/frontend"))
	require.NoError(t, err)
	enters := func() bool {
		tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}}
		res, err := tr.RoundTrip(httptest.NewRequest("GET", "https://"+p.address+"/", nil))
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	}
	require.False(t, enters())
	mesh := "\n---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\ntrustDomain: new.local\ntrustDomainAliases: [cluster.local]\n"
	rewrite(t, resources, strict+mesh)
	require.Eventually(t, enters, patience, 20*time.Millisecond)
}
