package retry_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

// A POST is not repeated once a server may have acted on it, whatever On says. Make
// it safe by a key that the server knows, or set Unsafe.
func ExampleNew_mistake() {
	retries, err := retry.New(retry.Config{On: []retry.Condition{retry.ServerError}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"", "order-7"} {
		orders := meshtest.NewUpstream(meshtest.Reply{Status: 503}, meshtest.Reply{})
		r, err := http.NewRequest(http.MethodPost, "http://orders/", strings.NewReader("1 x tea"))
		if err != nil {
			fmt.Println(err)
			return
		}
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		res, err := retries.Transport(orders).RoundTrip(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Printf("key %q: %d after %d attempts\n", key, res.StatusCode, len(orders.Requests()))
	}
	// Output:
	// key "": 503 after 1 attempts
	// key "order-7": 200 after 2 attempts
}
