package fault_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
)

// One user meets a failing ratings service, everybody else the real one.
func ExampleInjector_Transport() {
	faults, err := fault.New(fault.Config{
		When:  match.Request{Headers: []match.Field{{Name: "End-User", Value: match.Exact("jason")}}},
		Abort: fault.Abort{Share: mesh.Always, Status: http.StatusServiceUnavailable},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ratings := meshtest.NewUpstream(meshtest.Reply{Body: "five stars"}) // http.DefaultTransport in real life
	client := &http.Client{Transport: faults.Transport(ratings)}
	for _, user := range []string{"anna", "jason"} {
		req, _ := http.NewRequest("GET", "http://ratings/0", nil)
		req.Header.Set("End-User", user)
		res, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Printf("%s: %d %s\n", user, res.StatusCode, body)
	}
	// Output:
	// anna: 200 five stars
	// jason: 503 fault filter abort
}

// A fault without a share would happen to nobody, and a share without a fault
// would be nothing: both are mistakes, and both are told at once.
func ExampleNew_mistake() {
	_, err := fault.New(fault.Config{
		Delay: fault.Delay{Share: mesh.Percent(10)},
		Abort: fault.Abort{Status: 503},
	})
	for p := range mesh.Problems(err) {
		fmt.Println(p)
	}
	// Output:
	// fault.Delay: has a share and nothing that happens: For or Spread is missing
	// fault.Abort.Share: is missing: it would happen to no request
}
