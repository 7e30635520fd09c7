package mesh_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sidecarless/mesh"
)

// A network that nobody answers in.
type nobody struct{}

func (nobody) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &mesh.Error{
		Op: "example", Flag: mesh.NoHealthyUpstream, Status: http.StatusServiceUnavailable, Stage: mesh.NotSent,
		Details: mesh.DetailsNoHealthyUpstream,
	}
}

// A layer of one's own between the module's.
func stamp(next http.RoundTripper) http.RoundTripper { return stamping{next} }

type stamping struct{ next http.RoundTripper }

func (s stamping) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println("asked for", r.URL)
	return s.next.RoundTrip(r)
}

func Example() {
	client := http.Client{Transport: mesh.Chain(mesh.ErrorsAsResponses, stamp)(nobody{})}
	res, err := client.Get("http://reviews/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(text))
	// Output:
	// asked for http://reviews/
	// 503 no healthy upstream
}

// Without the replies of a sidecar a refusal is an error that says how far the
// request came.
func ExampleError() {
	client := http.Client{Transport: nobody{}}
	_, err := client.Get("http://reviews/")
	var refused *mesh.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Flag, refused.Status, refused.Stage)
	}
	// Output:
	// UH 503 not sent
}
