package timeout_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/timeout"
)

// The order of layers is their meaning. Announce tells the time that is known where
// it stands: outside of the deadline there is none.
func ExampleAnnounce_mistake() {
	deadlines, err := timeout.New(timeout.Config{Total: 2 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, layers := range []func(http.RoundTripper) http.RoundTripper{
		mesh.Chain(timeout.Announce, deadlines.Transport),
		mesh.Chain(deadlines.Transport, timeout.Announce),
	} {
		next := meshtest.NewUpstream()
		res, err := (&http.Client{Transport: layers(next)}).Get("http://reviews/")
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println("told:", next.Requests()[0].Header.Get("X-Envoy-Expected-Rq-Timeout-Ms") != "")
	}
	// Output:
	// told: false
	// told: true
}
