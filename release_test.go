package mesh_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unpublished are the modules that are run from a clone alone.
var unpublished = []string{"bench", "conformance", "console/pagetest", "examples"}

// A release tags each module after those that it requires.
func TestAReleaseKnowsEveryModuleInOrder(t *testing.T) {
	list := regexp.MustCompile(`(?m)^published=\((.*)\)$`).FindStringSubmatch(read(t, ".ci/release"))
	require.NotNil(t, list)
	published := strings.Fields(list[1])

	var there []string
	for _, m := range regexp.MustCompile(`(?m)^\t\./(\S+)$`).FindAllStringSubmatch(read(t, "go.work"), -1) {
		there = append(there, m[1])
	}
	require.ElementsMatch(t, there, slices.Concat(published, unpublished))

	page := read(t, "docs/compatibility.md")
	for i, name := range published {
		require.Contains(t, page, "`"+name+"`")
		for _, m := range regexp.MustCompile(`(?m)^\t(?:require )?`+module+`/(\S+) v`).FindAllStringSubmatch(read(t, name+"/go.mod"), -1) {
			require.Contains(t, published[:i], m[1], "%s requires it", name)
		}
	}
}
