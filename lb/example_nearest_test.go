package lb_test

import (
	"fmt"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

// Requests stay in the caller's zone as long as its endpoints can take them, and
// leave it when they are ejected.
func ExampleNearest() {
	here := lb.Locality{Region: "us-east", Zone: "a"}
	balancer, err := lb.New(lb.Config{
		Endpoints: []lb.Endpoint{
			{Addr: "10.0.0.1:9080", Locality: here},
			{Addr: "10.0.0.2:9080", Locality: here},
			{Addr: "10.1.0.1:9080", Locality: lb.Locality{Region: "us-east", Zone: "b"}},
		},
		Placement: []lb.Placement{lb.Nearest{Local: here}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func() {
		for _, level := range balancer.Stats().Levels {
			fmt.Printf("priority %d: %d of %d hosts, %d %% of the requests\n", level.Priority, level.Usable, level.Hosts, level.Share)
		}
	}
	show()
	balancer.Host("10.0.0.1:9080").Eject()
	show()

	lease, err := balancer.Pick(lb.Query{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ejected:", lease.Host().Ejected())
	lease.Done(mesh.Outcome{Kind: mesh.Success})
	// Output:
	// priority 0: 2 of 2 hosts, 100 % of the requests
	// priority 1: 1 of 1 hosts, 0 % of the requests
	// priority 0: 1 of 2 hosts, 70 % of the requests
	// priority 1: 1 of 1 hosts, 30 % of the requests
	// ejected: false
}
