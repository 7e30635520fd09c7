package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/sidecarless/mesh/discovery"
	"github.com/sidecarless/mesh/lb"
)

// oneName stands for a name server; without it, the host's own is asked.
type oneName struct{}

func (oneName) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")}, nil
}

func (oneName) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no such records")
}

// A balancer's SetEndpoints stands where the function is here.
func ExampleDNS() {
	d, err := discovery.NewDNS(discovery.DNSConfig{
		Endpoints: lb.Addrs("reviews.shop.svc.cluster.local:9080"),
		Resolver:  oneName{},
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = d.Run(ctx, func(endpoints []lb.Endpoint) error {
		for _, e := range endpoints {
			fmt.Println(e.Addr)
		}
		cancel()
		return nil
	})
	fmt.Println(err)
	// Output:
	// 10.0.0.1:9080
	// 10.0.0.2:9080
	// context canceled
}
