package demo

import (
	"fmt"
	"regexp"
)

var weight = regexp.MustCompile(`\bweight: *\d+m?`)

// Weights is a document with other weights, in the order in which it has them: what
// somebody does with an editor before kubectl apply.
func Weights(document string, weights ...any) string {
	i := 0
	return weight.ReplaceAllStringFunc(document, func(old string) string {
		if i++; i > len(weights) {
			return old
		}
		return fmt.Sprint("weight: ", weights[i-1])
	})
}
