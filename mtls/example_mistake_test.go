package mtls_test

import (
	"fmt"

	"github.com/sidecarless/mesh/mtls"
)

// A principal as AuthorizationPolicy writes it is no identity: that is a URI.
func ExampleParseID_mistake() {
	_, err := mtls.ParseID("cluster.local/ns/shop/sa/frontend")
	fmt.Println(err != nil)
	id, err := mtls.ParseID("spiffe://cluster.local/ns/shop/sa/frontend")
	fmt.Println(id.Namespace, err)
	// Output:
	// true
	// shop <nil>
}
