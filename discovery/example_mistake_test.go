package discovery_test

import (
	"fmt"

	"github.com/sidecarless/mesh/discovery"
	"github.com/sidecarless/mesh/lb"
)

// A name has addresses and no port, unless it is one of SRV records.
func ExampleNewDNS_mistake() {
	for _, addr := range []string{"reviews.shop.svc", "reviews.shop.svc:9080", "_http._tcp.reviews.shop.svc"} {
		_, err := discovery.NewDNS(discovery.DNSConfig{Endpoints: lb.Addrs(addr)})
		fmt.Println(addr, err == nil)
	}
	// Output:
	// reviews.shop.svc false
	// reviews.shop.svc:9080 true
	// _http._tcp.reviews.shop.svc true
}
