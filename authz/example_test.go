package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
)

// Everybody may read; what is below /admin/ is for callers on this machine.
func Example() {
	reads := authz.Policy{Name: "reads", Rules: []authz.Rule{{
		To: []authz.Operation{{Methods: authz.Set{In: []match.Value{match.Exact("GET"), match.Exact("HEAD")}}}},
	}}}
	admin := authz.Policy{Name: "admin", Action: authz.Deny, Rules: []authz.Rule{{
		From: []authz.Source{{Peers: authz.Nets{NotIn: loopback}}},
		To:   []authz.Operation{{Paths: authz.Set{In: []match.Value{match.Segments("/admin")}}}},
	}}}
	a, err := authz.New(authz.Config{Policies: []authz.Policy{reads, admin}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "welcome to ", r.URL.Path) }))

	for _, target := range []string{"GET /cart", "POST /cart", "GET /cart/../admin/keys"} {
		var method, path string
		fmt.Sscan(target, &method, &path)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil)) // from 192.0.2.1
		fmt.Println(target, "→", w.Code, w.Body)
	}
	// Output:
	// GET /cart → 200 welcome to /cart
	// POST /cart → 403 RBAC: access denied
	// GET /cart/../admin/keys → 403 RBAC: access denied
}
