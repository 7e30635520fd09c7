package route_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// upstream stands for a layer that sends requests to one version of a service.
type upstream string

func (u upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Version": {string(u)}}, Body: http.NoBody, Request: r}, nil
}

// Beta testers get the new version, everybody else the old one.
func Example() {
	table, err := route.New(
		route.ClientRule{
			Name:  "beta",
			Match: []match.Request{{Headers: []match.Field{{Name: "User-Group", Value: match.Exact("beta-testers")}}}},
			Value: upstream("v2"),
		},
		route.ClientRule{Name: "stable", Value: upstream("v1")},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: route.Transport(table)}
	for _, group := range []string{"", "beta-testers"} {
		r, _ := http.NewRequest("GET", "http://products/", nil)
		r.Header.Set("User-Group", group)
		res, err := client.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Printf("%q: %s\n", group, res.Header.Get("Version"))
	}
	// Output:
	// "": v1
	// "beta-testers": v2
}

// A server can be routed, too. What no rule fits is answered with 404.
func ExampleHandler() {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text) })
	}
	table, err := route.New(
		route.ServerRule{Name: "user", Match: []match.Request{{Path: match.Template("/users/{*}")}}, Value: say("one user")},
		route.ServerRule{Name: "static", Match: []match.Request{{Path: match.Segments("/static")}}, Value: say("a file")},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := route.Handler(table)
	for _, path := range []string{"/users/7", "/static/a/b.js", "/staticx"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, w.Body)
	}
	// Output:
	// /users/7 200 one user
	// /static/a/b.js 200 a file
	// /staticx 404
}

// Explain says why a request went where it did.
func ExampleTable_Explain() {
	table, _ := route.New(
		route.Rule[string]{Name: "v2", Match: []match.Request{{Path: match.Prefix("/v2/")}}},
		route.Rule[string]{Name: "beta", Match: []match.Request{{Headers: []match.Field{{Name: "User-Group", Value: match.Prefix("beta")}}}}},
		route.Rule[string]{Name: "stable"},
	)
	r, _ := http.NewRequest("GET", "http://products/list", nil)
	r.Header.Set("User-Group", "staff")
	for rule, reason := range table.Explain(r) {
		if reason == "" {
			reason = "fits"
		}
		fmt.Printf("%s: %s\n", rule.Name, reason)
	}
	// Output:
	// v2: path "/list": want prefix "/v2/"
	// beta: header User-Group "staff": want prefix "beta"
	// stable: fits
}

// A rule that stands behind a wider one is never reached. The first that fits is
// taken, not the best.
func ExampleTable_Shadowed() {
	table, _ := route.New(
		route.Rule[string]{Name: "api", Match: []match.Request{{Path: match.Prefix("/api")}}},
		route.Rule[string]{Name: "health", Match: []match.Request{{Path: match.Exact("/api/health")}}},
	)
	for rule, by := range table.Shadowed() {
		fmt.Printf("%s is never reached: %s takes its requests\n", rule, by)
	}
	// Output:
	// health is never reached: api takes its requests
}
