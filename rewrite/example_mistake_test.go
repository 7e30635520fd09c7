package rewrite_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/rewrite"
)

// A prefix is bytes, as in Istio. Segments makes it one of path segments, so that
// no slash is doubled.
func ExampleNew_mistake() {
	for _, segments := range []bool{false, true} {
		paths, err := rewrite.New(rewrite.Config{Prefix: "/api", Path: "/", Segments: segments})
		if err != nil {
			fmt.Println(err)
			return
		}
		next := meshtest.NewUpstream()
		res, err := (&http.Client{Transport: paths.Transport(next)}).Get("http://shop/api/users")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(next.Requests()[0].URL.Path)
	}
	// Output:
	// //users
	// /users
}
