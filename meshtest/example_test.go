package meshtest_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/meshtest"
)

func ExampleUpstream() {
	reviews := meshtest.NewUpstream(
		meshtest.Reply{Status: http.StatusServiceUnavailable},
		meshtest.Reply{Body: "five stars"},
	)
	client := &http.Client{Transport: reviews} // with the layers under test around it
	for range 2 {
		res, err := client.Get("http://reviews/0")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(res.Status)
	}
	fmt.Println(len(reviews.Requests()), "requests, the last one to", reviews.Requests()[1].URL)
	// Output:
	// 503 Service Unavailable
	// 200 OK
	// 2 requests, the last one to http://reviews/0
}
