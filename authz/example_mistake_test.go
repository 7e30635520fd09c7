package authz_test

import (
	"fmt"
	"net/http/httptest"

	"github.com/sidecarless/mesh/authz"
)

// A policy that allows, and has no rules, allows nothing: as soon as there is one
// policy that allows, everybody else is kept out. A rule without conditions is the
// one that lets everybody in.
func ExampleNew_mistake() {
	for _, rules := range [][]authz.Rule{nil, {{}}} {
		a, err := authz.New(authz.Config{Policies: []authz.Policy{{Name: "open", Action: authz.Allow, Rules: rules}}})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(rules), "rules:", a.Decide(httptest.NewRequest("GET", "/", nil)).Allowed)
	}
	// Output:
	// 0 rules: false
	// 1 rules: true
}
