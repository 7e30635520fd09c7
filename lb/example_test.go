package lb_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sidecarless/mesh/lb"
)

// Three replicas take turns behind one name.
func Example() {
	var addrs []string
	for i := range 3 {
		replica := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "replica %d of %s", i, r.Host)
		}))
		defer replica.Close()
		addrs = append(addrs, strings.TrimPrefix(replica.URL, "http://"))
	}

	balancer, err := lb.New(lb.Config{
		Endpoints: lb.Addrs(addrs...),
		Algorithm: lb.RoundRobin{},
		Rand:      func() uint64 { return 1 }, // begin with the first, for this example
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: balancer.Transport(http.DefaultTransport)}
	for range 4 {
		res, err := client.Get("http://reviews/")
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(text))
	}
	// Output:
	// replica 0 of reviews
	// replica 1 of reviews
	// replica 2 of reviews
	// replica 0 of reviews
}
