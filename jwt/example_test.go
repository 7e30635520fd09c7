package jwt_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/jwt"
	"github.com/sidecarless/mesh/match"
)

// Everybody who has a token of the issuer for the shop may read, and whoever is in
// the group of admins may do anything.
func Example() {
	idpKey := ecSigner("key-1") // in truth it is the issuer's, and known from its URL
	tokens, err := jwt.New(jwt.Config{Rules: []jwt.Rule{{
		Issuer: "https://idp.example", Audiences: []string{"shop"}, KeySet: keySet(idpKey),
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	is := func(v string) authz.Set { return authz.Set{In: []match.Value{match.Exact(v)}} }
	policies, err := authz.New(authz.Config{Policies: []authz.Policy{{Rules: []authz.Rule{
		{
			From: []authz.Source{{RequestPrincipals: authz.Set{In: []match.Value{match.Prefix(authz.RequestPrincipal("https://idp.example", ""))}}}},
			To:   []authz.Operation{{Methods: is("GET")}},
		},
		{When: []authz.Condition{{Key: "request.auth.claims[groups]", Values: is("admin")}}},
	}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := tokens.Handler(policies.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", jwt.Claims(r.Context())["sub"])
	})))

	user := claims{"iss": "https://idp.example", "sub": "ann", "aud": "shop"}
	admin := claims{"iss": "https://idp.example", "sub": "bob", "aud": "shop", "groups": []string{"staff", "admin"}}
	late := claims{"iss": "https://idp.example", "sub": "cat", "aud": "shop", "exp": 1}
	for _, c := range []struct {
		method, token string
	}{{"GET", ""}, {"GET", idpKey.sign(user)}, {"POST", idpKey.sign(user)}, {"POST", idpKey.sign(admin)}, {"GET", idpKey.sign(late)}} {
		r := httptest.NewRequest(c.method, "/cart", nil)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(c.method, w.Code, w.Body)
	}
	// Output:
	// GET 403 RBAC: access denied
	// GET 200 hello ann
	// POST 403 RBAC: access denied
	// POST 200 hello bob
	// GET 401 Jwt is expired
}
