package limit_test

import (
	"fmt"

	"github.com/sidecarless/mesh/limit"
)

// A bound on keys does not make a limit one for each key: Key does.
func ExampleNew_mistake() {
	_, err := limit.New(limit.Config{Rate: 5, MaxKeys: 1000})
	fmt.Println(err)
	// Output: limit.MaxKeys: stands without Key; one bucket needs no bound (got 1000)
}
