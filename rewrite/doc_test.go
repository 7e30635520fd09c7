package rewrite

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCommandsOfThePageAreThoseThatThereAre(t *testing.T) {
	page, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	requests, answers, found := strings.Cut(string(page), "Others tell of the answer")
	require.True(t, found)
	line := regexp.MustCompile(`(?m)^//\t%([A-Z_]+)`)
	listed := func(part string) (names []string) {
		for _, m := range line.FindAllStringSubmatch(part, -1) {
			names = append(names, m[1])
		}
		return names
	}
	known := []string{"HOSTNAME", "PATH", "QUERY_PARAM", "REQ", "REQUEST_HEADER"}
	known = slices.AppendSeq(known, maps.Keys(ofRequests))
	known = slices.AppendSeq(known, maps.Keys(recorded))
	require.ElementsMatch(t, known, listed(requests))
	require.ElementsMatch(t, slices.AppendSeq([]string{"RESP", "RESPONSE_HEADER"}, maps.Keys(ofAnswers)), listed(answers))
}
