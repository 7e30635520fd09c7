package fault_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/fault"
)

// A test orders that ratings fails for its own requests. In production, too, since
// it takes the key: what others write into the header does nothing.
func ExampleSign() {
	key := []byte("from a secret of the cluster")
	faults, err := fault.New(fault.Config{
		Ordered: fault.Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{key}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stars := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "five stars") })
	ratings := httptest.NewServer(faults.Handler(stars))
	defer ratings.Close()

	until := time.Now().Add(10 * time.Minute)
	signed, err := fault.Sign(key, until, "ratings=abort:503", "details=delay:2s;p=50")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, orders := range []string{"", "ratings=abort:503", signed} {
		r, _ := http.NewRequest("GET", ratings.URL, nil)
		r.Header.Set(fault.OrderHeader, orders)
		res, err := ratings.Client().Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(res.StatusCode)
	}
	// Output:
	// 200
	// 200
	// 503
}
