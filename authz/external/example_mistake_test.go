package external_test

import (
	"fmt"

	"github.com/sidecarless/mesh/authz/external"
)

// A service is named by a URL, not by an address.
func ExampleNew_mistake() {
	for _, url := range []string{"opa.internal:8181", "http://opa.internal:8181"} {
		_, err := external.New(external.Config{URL: url})
		fmt.Println(url, err == nil)
	}
	// Output:
	// opa.internal:8181 false
	// http://opa.internal:8181 true
}
