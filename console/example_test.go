package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// A page about one destination, mounted beside what the program serves.
func Example() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "five stars") }))
	defer backend.Close()
	reviews, err := upstream.New(upstream.Config{Name: "reviews", Endpoints: lb.Addrs(backend.Listener.Addr().String())})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reviews.Close()

	page, err := console.New(console.Config{Upstreams: []*upstream.Upstream{reviews}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Close()
	mux := http.NewServeMux()
	mux.Handle("/debug/mesh/", page)
	server := httptest.NewServer(mux)
	defer server.Close()

	client := &http.Client{Transport: mesh.Chain(access.Sink(page.Sink).Transport)(reviews)}
	for range 3 {
		res, err := client.Get("http://reviews/1")
		if err != nil {
			fmt.Println(err)
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	res, err := http.Get(server.URL + "/debug/mesh/stats?filter=upstream_rq_(total|retry)$")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Print(string(body))
	// Output:
	// cluster.reviews.upstream_rq_total: 3
	// cluster.reviews.upstream_rq_retry: 0
}
