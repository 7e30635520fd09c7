package access_test

import (
	"fmt"
	"net/http"
	"os"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/meshtest"
)

// A client logs each request in the form of a sidecar.
func ExampleEnvoy() {
	log, err := access.Envoy(os.Stdout, "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	reviews := meshtest.NewUpstream(
		meshtest.Reply{Body: "ok"},
		meshtest.Reply{Err: &mesh.Error{Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream}},
	)
	client := &http.Client{Transport: mesh.Chain(log.Transport, mesh.ErrorsAsResponses)(reviews)}
	for range 2 {
		res, err := client.Get("http://reviews/1?all")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
	}
	// Output:
	// GET /1?all 200 - via_upstream
	// GET /1?all 503 UH no_healthy_upstream
}
