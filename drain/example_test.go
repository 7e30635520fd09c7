package drain_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/drain"
)

func Example() {
	var leaving drain.Drain
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", leaving.Ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	service := leaving.Handler(mux)
	ask := func(path string) {
		w := httptest.NewRecorder()
		service.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Printf("%s: %d %q\n", path, w.Code, w.Header().Get("Connection"))
	}
	ask("/ready")
	leaving.Begin() // in earnest: leaving.Shutdown(ctx, server, 5*time.Second)
	ask("/ready")
	ask("/")
	// Output:
	// /ready: 200 ""
	// /ready: 503 "close"
	// /: 200 "close"
}
