package spiffe_test

import (
	"fmt"

	"github.com/sidecarless/mesh/spiffe"
)

// An address has a scheme, also that of a socket in the file system.
func ExampleNew_mistake() {
	for _, address := range []string{"/run/spire/agent.sock", "unix:///run/spire/agent.sock"} {
		_, err := spiffe.New(spiffe.Config{Address: address})
		fmt.Println(address, err == nil)
	}
	// Output:
	// /run/spire/agent.sock false
	// unix:///run/spire/agent.sock true
}
