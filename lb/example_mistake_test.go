package lb_test

import (
	"fmt"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/match"
)

// What to hash by does not make an algorithm one that hashes.
func ExampleNew_mistake() {
	_, err := lb.New(lb.Config{
		Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"),
		Hash:      []lb.HashSource{{Key: match.HeaderKey("User")}},
	})
	fmt.Println(err)
	// Output: lb.Hash: goes with a Consistent algorithm only, such as RingHash or Maglev
}
