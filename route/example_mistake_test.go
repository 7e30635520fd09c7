package route_test

import (
	"fmt"
	"net/http/httptest"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// The most specific host is chosen first, and only its rules are looked at: those of
// a wildcard do not catch what they leave.
func ExampleNew_mistake() {
	table, err := route.New(
		route.Rule[string]{Name: "login", Hosts: []string{"shop.example.com"}, Match: []match.Request{{Path: match.Exact("/login")}}},
		route.Rule[string]{Name: "rest", Hosts: []string{"*.example.com"}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, url := range []string{"http://shop.example.com/login", "http://shop.example.com/cart", "http://blog.example.com/"} {
		rule, ok := table.Lookup(httptest.NewRequest("GET", url, nil))
		if !ok {
			fmt.Println(url, "has no rule")
			continue
		}
		fmt.Println(url, rule.Name)
	}
	// Output:
	// http://shop.example.com/login login
	// http://shop.example.com/cart has no rule
	// http://blog.example.com/ rest
}
