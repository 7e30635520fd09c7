package rewrite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/rewrite"
)

// A service that has moved below another path, behind the old one.
func Example() {
	moved, err := rewrite.New(rewrite.Config{
		Prefix: "/ratings", Path: "/v2/ratings", Segments: true,
		Request:  []rewrite.Headers{{Set: http.Header{"X-Asked-For": {"%REQ(:path)%"}}}},
		Response: []rewrite.Headers{{Remove: []string{"Server"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "secret/1.0")
		fmt.Println(r.RequestURI, "for", r.Header.Get("X-Asked-For"))
	}))
	defer server.Close()

	client := &http.Client{Transport: moved.Transport(http.DefaultTransport)}
	res, err := client.Get(server.URL + "/ratings/7?full=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Printf("%s %q\n", res.Status, res.Header.Get("Server"))
	// Output:
	// /v2/ratings/7?full=1 for /ratings/7?full=1
	// 200 OK ""
}

// The pages of one origin may read what this server says.
func ExampleCORS() {
	pages, err := rewrite.NewCORS(rewrite.CORSConfig{
		Origins: []match.Value{match.Exact("https://shop.example")},
		Methods: []string{"GET", "PUT"},
		MaxAge:  time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := mesh.Chain(pages.Handler)(http.NotFoundHandler())

	r := httptest.NewRequest("OPTIONS", "/cart", nil)
	r.Header.Set("Origin", "https://shop.example")
	r.Header.Set("Access-Control-Request-Method", "PUT")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Access-Control-Allow-Methods"), w.Header().Get("Access-Control-Max-Age"))
	// Output:
	// 200 GET,PUT 3600
}

// Redirects and replies stand where a destination would.
func ExampleRedirect() {
	mux := http.NewServeMux()
	mux.Handle("/old/", rewrite.Redirect{Prefix: "/old", Path: "/new", Segments: true, Status: http.StatusPermanentRedirect})
	mux.Handle("/", rewrite.Reply{Status: http.StatusServiceUnavailable, Body: "down until noon"})

	for _, target := range []string{"http://shop.example/old/cart?x=1", "http://shop.example/"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Printf("%d %q %q\n", w.Code, w.Header().Get("Location"), w.Body)
	}
	// Output:
	// 308 "http://shop.example/new/cart?x=1" ""
	// 503 "" "down until noon"
}
