package breaker_test

import (
	"fmt"
	"time"

	"github.com/sidecarless/mesh/breaker"
)

// How long a circuit stays open does not say when it opens.
func ExampleNew_mistake() {
	_, err := breaker.New(breaker.Config{Trip: breaker.Trip{Open: time.Minute}})
	fmt.Println(err)
	// Output: breaker.Trip.Open: has no effect: neither Consecutive, Ratio nor SlowRatio is set
}
