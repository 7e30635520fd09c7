package mirror_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mirror"
)

// Every request to the reviews goes to their next version, too.
func ExampleMirror_Transport() {
	v1 := meshtest.NewUpstream(meshtest.Reply{Body: "five stars"})
	v2 := meshtest.NewUpstream(meshtest.Reply{Status: 500}) // http.DefaultTransport in real life
	copies, err := mirror.New(mirror.Config{
		To:      v2,
		Server:  "http://reviews-v2:9080",
		Share:   mesh.Always,
		Compare: &mirror.Compare{Body: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer copies.Close()
	client := &http.Client{Transport: copies.Transport(v1)}
	res, err := client.Get("http://reviews/0")
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	fmt.Println("the caller sees", res.Status)

	copies.Shutdown(context.Background()) // waits for the copies
	copied := v2.Requests()[0]
	fmt.Println("the copy went to", copied.URL, "for", copied.Host)
	fmt.Println(copies.Stats().Sent, "sent,", copies.Stats().Different, "answered differently")
	// Output:
	// the caller sees 200 OK
	// the copy went to http://reviews-v2:9080/0 for reviews
	// 1 sent, 1 answered differently
}
