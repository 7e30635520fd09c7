package mesh_test

import (
	"fmt"

	"github.com/sidecarless/mesh"
)

// Several flags can be joined: a comparison with one of them misses it.
func ExampleFlag_mistake() {
	flags := mesh.Flag("URX,UF") // no retry left, the last attempt found no connection
	fmt.Println("compared:", flags == mesh.ConnectFailure)
	fmt.Println("asked:", flags.Has(mesh.ConnectFailure))
	// Output:
	// compared: false
	// asked: true
}
