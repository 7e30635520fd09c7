package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

// pending are the cases that cannot be played yet, each with what it needs. The
// list only gets shorter: a case that passes although it stands here fails.
var pending = map[string]string{}

// plays is how often a case is played at most: how long something takes, and who
// comes first of several at a time, is up to the machine as well.
const plays = 4

func TestRecordedRequests(t *testing.T) {
	cases, err := Load("testdata/e2e")
	require.NoError(t, err)
	more, err := Load("testdata/more")
	require.NoError(t, err)
	cases = append(cases, more...)
	waiting := 0
	for _, c := range cases {
		if reason := pending[c.Name]; reason != "" {
			waiting++
			t.Logf("not played: %s: needs %s", c.Name, reason)
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel() // most of a case is waiting
			if len(c.Steps) == 0 {
				checkVerdicts(t, c)
				return
			}
			var against []string
			for range plays {
				outcomes, err := c.Play(t.Context())
				require.NoError(t, err)
				if against = c.Judge(outcomes); len(against) == 0 {
					return
				}
			}
			t.Errorf("otherwise than recorded:\n%s", strings.Join(against, "\n"))
		})
	}
	t.Logf("%d of %d cases are not played", waiting, len(cases))
}

// strictSchema are documents that the webhook accepts and the schema of their kind
// refuses, as we do (see DIFFERENCES.md).
var strictSchema = map[string]bool{"DestinationRule unknown-field": true, "DestinationRule simple-and-hash": true}

// checkVerdicts compares what Istio's admission check said of each document.
func checkVerdicts(t *testing.T, c *Case) {
	config, _ := istio.Parse(c.Name+".yaml", strings.NewReader(c.resources()))
	refused := map[string]bool{}
	for f := range config.Findings() {
		if f.Code == istio.CodeRefused && f.Resource != nil {
			refused[f.Resource.Key()] = true
		}
	}
	for _, v := range c.Recorded.Validation {
		if v.Sometimes {
			continue // Istio's own verdict depends on the order of a map
		}
		if strictSchema[v.Resource] {
			continue
		}
		require.Equal(t, v.Error != "", refused[keyOf(v.Resource)], "%s: Istio says %q", v.Resource, v.Error)
	}
}

// keyOf makes "VirtualService default/ok" of "VirtualService ok".
func keyOf(resource string) string {
	kind, name, _ := strings.Cut(resource, " ")
	if !strings.Contains(name, "/") {
		name = "default/" + name
	}
	return kind + " " + name
}
