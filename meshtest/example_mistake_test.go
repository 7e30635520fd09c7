package meshtest_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/meshtest"
)

// The last reply is repeated. A server that fails once needs a second one.
func ExampleNewUpstream_mistake() {
	ask := func(u *meshtest.Upstream) {
		var statuses []int
		for range 2 {
			res, err := (&http.Client{Transport: u}).Get("http://reviews/")
			if err != nil {
				fmt.Println(err)
				return
			}
			res.Body.Close()
			statuses = append(statuses, res.StatusCode)
		}
		fmt.Println(statuses)
	}
	ask(meshtest.NewUpstream(meshtest.Reply{Status: 503}))
	ask(meshtest.NewUpstream(meshtest.Reply{Status: 503}, meshtest.Reply{}))
	// Output:
	// [503 503]
	// [503 200]
}
