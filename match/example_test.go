package match_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
)

func Example() {
	beta, err := match.New(
		match.Request{Headers: []match.Field{{Name: "User-Group", Value: match.Exact("beta-testers")}}},
		match.Request{Path: match.Segments("/beta"), Method: match.Exact("GET")},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, _ := http.NewRequest("GET", "http://products/beta/list", nil)
	fmt.Println(beta.Match(r))
	r, _ = http.NewRequest("GET", "http://products/betamax", nil)
	fmt.Println(beta.Match(r))
	// Output:
	// true
	// false
}

// All that is wrong is reported at once, each with the path to its field.
func ExampleNew_mistake() {
	_, err := match.New(match.Request{
		Path:    match.Template("/users/{id}"),
		Headers: []match.Field{{Name: "User Group", Value: match.Regex("(beta")}},
	})
	for p := range mesh.Problems(err) {
		fmt.Printf("%s: %s\n", p.Field, p.Reason)
	}
	// Output:
	// match.Path: a segment of a template is text, {*} or {**}
	// match.Headers[0].Name: is no name of a header
	// match.Headers[0].Value: missing closing ): "(beta"
}

// Prefix compares bytes, as Istio's prefix does. Segments compares whole segments
// of a path, as the Gateway API's PathPrefix does.
func ExampleSegments() {
	for _, v := range []match.Value{match.Prefix("/api"), match.Segments("/api")} {
		m, _ := match.NewStrings(v)
		fmt.Println(v, m.Match("/api/v1"), m.Match("/apiary"))
	}
	// Output:
	// prefix "/api" true true
	// segments "/api" true false
}
