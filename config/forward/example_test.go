package forward_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/meshtest"
)

func Example() {
	reviews := meshtest.NewUpstream(meshtest.Reply{Body: "five stars"}) // in earnest an istio.Client
	sidecar := forward.New(forward.Config{Client: reviews})
	w := httptest.NewRecorder()
	sidecar.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://reviews/0", nil))
	fmt.Println(w.Code, w.Body, "from", reviews.Requests()[0].URL)
	// Output: 200 five stars from http://reviews/0
}

// An http.Client follows redirects, and a sidecar hands them on: give the transport.
func ExampleNew_mistake() {
	moved := meshtest.NewUpstream(
		meshtest.Reply{Status: http.StatusFound, Header: http.Header{"Location": {"http://reviews/login"}}},
		meshtest.Reply{Body: "log in"},
	)
	client := &http.Client{Transport: moved}
	follows := func(r *http.Request) (*http.Response, error) {
		r.RequestURI = ""
		return client.Do(r)
	}
	for _, c := range []http.RoundTripper{roundTrip(follows), meshtest.NewUpstream(meshtest.Reply{Status: http.StatusFound})} {
		w := httptest.NewRecorder()
		forward.New(forward.Config{Client: c}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://reviews/0", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 302
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
