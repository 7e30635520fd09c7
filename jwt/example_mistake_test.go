package jwt_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/jwt"
)

// A verifier refuses bad tokens, and lets pass who has none, as RequestAuthentication
// does. Whoever must have one is the business of a policy, see the other example.
func ExampleVerifier_Handler_mistake() {
	tokens, err := jwt.New(jwt.Config{Rules: []jwt.Rule{{Issuer: "https://idp.example", KeySet: keySet(ecSigner("key-1"))}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := tokens.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") }))
	for _, authorization := range []string{"Bearer forged", ""} {
		r := httptest.NewRequest(http.MethodGet, "/cart", nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%q: %d\n", authorization, w.Code)
	}
	// Output:
	// "Bearer forged": 401
	// "": 200
}
