package drain_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/drain"
)

// The layer has to be around everything: whoever asks only for what is outside of
// it does not hear that the server leaves.
func ExampleDrain_Handler_mistake() {
	var leaving drain.Drain
	mux := http.NewServeMux()
	mux.Handle("/inside", leaving.Handler(http.NotFoundHandler()))
	mux.Handle("/outside", http.NotFoundHandler())
	leaving.Begin()
	for _, path := range []string{"/inside", "/outside"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Printf("%s: %q\n", path, w.Header().Get("Connection"))
	}
	// Output:
	// /inside: "close"
	// /outside: ""
}
