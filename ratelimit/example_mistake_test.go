package ratelimit_test

import (
	"fmt"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/ratelimit"
)

// Nothing has a default here: not who is asked, not whose limits, not what for. All
// that is missing is told at once.
func ExampleNew_mistake() {
	_, err := ratelimit.New(ratelimit.Config{})
	for p := range mesh.Problems(err) {
		fmt.Println(p.Field)
	}
	// Output:
	// ratelimit.Service
	// ratelimit.Domain
	// ratelimit.Limits
}
