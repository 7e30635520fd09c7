package outlier_test

import (
	"fmt"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
)

// A detector is an observer of a balancer, and is told of its hosts.
func Example() {
	detector, err := outlier.New(outlier.Config{Consecutive5xx: 3, MaxEjected: mesh.Percent(50)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer detector.Close()
	balancer, err := lb.New(lb.Config{
		Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80"), Algorithm: lb.RoundRobin{},
		Observers: []lb.Observer{detector}, Changed: detector.Changed,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 20 { // in earnest balancer.Transport does this
		lease, err := balancer.Pick(lb.Query{})
		if err != nil {
			fmt.Println(err)
			return
		}
		outcome := mesh.Outcome{Status: 200}
		if lease.Host().Addr() == "10.0.0.2:80" {
			outcome = mesh.Outcome{Kind: mesh.Failure, Status: 500}
		}
		lease.Done(outcome)
	}
	for e := range detector.Ejections() {
		fmt.Println(e.Host.Addr(), e.Reason, e.Detail)
	}
	// Output: 10.0.0.2:80 consecutive_5xx 3 in a row
}
