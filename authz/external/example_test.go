package external_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/authz/external"
	"github.com/sidecarless/mesh/match"
)

// A service decides who may see orders, and says who it is.
func Example() {
	decider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer ann's" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-User", "ann")
	}))
	defer decider.Close()
	service, err := external.New(external.Config{URL: decider.URL, UpstreamHeaders: []match.Value{match.Exact("x-user")}, Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := authz.Set{In: []match.Value{match.Segments("/orders")}}
	a, err := authz.New(authz.Config{
		Ask:      func(r *http.Request, _ string) (authz.Answer, error) { return service.Ask(r) },
		Policies: []authz.Policy{{Name: "orders", Action: authz.Custom, Rules: []authz.Rule{{To: []authz.Operation{{Paths: orders}}}}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %q\n", r.Header.Get("X-User"))
	}))
	for _, c := range []struct{ path, token string }{{"/", ""}, {"/orders/1", ""}, {"/orders/1", "Bearer ann's"}} {
		r := httptest.NewRequest("GET", c.path, nil)
		if c.token != "" {
			r.Header.Set("Authorization", c.token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 hello ""
	// 401 who are you?
	// 200 hello "ann"
}
