package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/console"
)

// Only this machine may look unless Remote says otherwise: behind an ingress or a
// port-forward that ends elsewhere nobody sees the page.
func ExampleNew_mistake() {
	signedIn := func(r *http.Request) bool { return r.Header.Get("X-User") != "" } // in earnest, of your own
	for _, remote := range []func(*http.Request) bool{nil, signedIn} {
		page, err := console.New(console.Config{Remote: remote})
		if err != nil {
			fmt.Println(err)
			return
		}
		mux := http.NewServeMux()
		mux.Handle("/debug/mesh/", page)
		r := httptest.NewRequest(http.MethodGet, "http://localhost/debug/mesh/", nil)
		r.RemoteAddr = "203.0.113.7:1234"
		r.Header.Set("X-User", "ann")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code)
		page.Close()
	}
	// Output:
	// 403
	// 200
}
