package meshtest_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// One of two servers is down, and nobody notices. With outages that begin and end
// a test belongs inside of synctest.Test, where ten minutes take a moment:
//
//	synctest.Test(t, func(t *testing.T) {
//		m := meshtest.NewMesh(1, servers)
//		...
//		m.Load(100, 10*time.Minute, call)
//	})
func ExampleMesh() {
	m := meshtest.NewMesh(1, map[string]meshtest.Server{
		"10.0.0.1:80": {},
		"10.0.0.2:80": {Faults: []meshtest.Fault{{Reply: meshtest.Reply{Err: meshtest.ErrRefused}}}},
	})
	reviews, err := upstream.New(upstream.Config{
		Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"),
		Transport: m, Balance: lb.Config{Algorithm: lb.RoundRobin{}, Rand: m.Rand},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reviews.Close()
	client := &http.Client{Transport: reviews}
	for range 100 {
		res, err := client.Get("http://reviews/0")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
	}
	tried := 0
	for _, v := range m.Visits() {
		if v.Addr == "10.0.0.2:80" {
			tried++
		}
	}
	fmt.Println("100 requests, none failed; the server that is down was tried", tried, "times")
	// Output: 100 requests, none failed; the server that is down was tried 5 times
}
