package split_test

import (
	"fmt"

	"github.com/sidecarless/mesh/split"
)

// Weights are shares of their sum, not per cent: a canary of 5 beside a stable
// branch of 5 has half of the requests.
func ExampleNew_mistake() {
	splitter, err := split.New(
		split.Branch[string]{Name: "stable", Weight: 5},
		split.Branch[string]{Name: "canary", Weight: 5},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	const draws = 1000
	canary := 0
	for i := range uint64(draws) {
		if splitter.Pick(i).Name == "canary" {
			canary++
		}
	}
	fmt.Println(100*canary/draws, "%")
	// Output: 50 %
}
