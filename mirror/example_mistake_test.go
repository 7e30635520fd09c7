package mirror_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mirror"
)

// A Share that is not set is none: nothing is copied, and nothing is wrong.
func ExampleNew_mistake() {
	shadow := meshtest.NewUpstream()
	copies, err := mirror.New(mirror.Config{To: shadow})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: copies.Transport(meshtest.NewUpstream())}
	res, err := client.Get("http://reviews/")
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	copies.Close()
	fmt.Println(len(shadow.Requests()), "copies; set Share: mesh.Always")
	// Output: 0 copies; set Share: mesh.Always
}
