package upstream_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// A request ends when the body of its answer has been read or closed. One that is
// forgotten holds its place among the limits for good.
func ExampleNew_mistake() {
	reviews, err := upstream.New(upstream.Config{
		Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:9080"),
		Breaker:   breaker.Config{Limits: breaker.LimitsConfig{MaxRequests: 1}},
		Transport: meshtest.NewUpstream(meshtest.Reply{Body: "five stars"}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reviews.Close()
	client := &http.Client{Transport: reviews}
	forgotten, err := client.Get("http://reviews/1")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Get("http://reviews/2")
	fmt.Println("not closed:", mesh.FlagOf(err))

	forgotten.Body.Close()
	res, err := client.Get("http://reviews/2")
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	fmt.Println("closed:", res.Status)
	// Output:
	// not closed: UO
	// closed: 200 OK
}
