package outlier_test

import (
	"fmt"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
)

// With the default of 10 % no host of three is ever ejected: a tenth of three is
// none.
func ExampleConfig_mistake() {
	for _, most := range []mesh.Fraction{0, mesh.Percent(34)} {
		d, err := outlier.New(outlier.Config{Consecutive5xx: 2, MaxEjected: most})
		if err != nil {
			panic(err)
		}
		b, err := lb.New(lb.Config{
			Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"),
			Observers: []lb.Observer{d}, Changed: d.Changed,
		})
		if err != nil {
			panic(err)
		}
		sick := b.Host("10.0.0.1:80")
		for range 2 {
			d.Observe(sick, mesh.Outcome{Kind: mesh.Failure, Status: 503})
		}
		fmt.Println(sick.Ejected(), d.Stats().Overflow)
		d.Close()
	}
	// Output:
	// false 1
	// true 0
}
