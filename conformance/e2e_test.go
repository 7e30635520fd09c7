package conformance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

// plays is how often a case is played at most: how long something takes, and who
// comes first of several at a time, is up to the machine as well.
const plays = 4

func TestRecordedRequests(t *testing.T) {
	cases, err := load("testdata/e2e")
	require.NoError(t, err)
	more, err := load("testdata/more")
	require.NoError(t, err)
	cases = append(cases, more...)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if len(c.Steps) == 0 {
				checkVerdicts(t, c)
				return
			}
			var against []string
			for range plays {
				// Time passes only while all wait, however slow the machine is.
				synctest.Test(t, func(t *testing.T) {
					outcomes, err := c.play(t.Context())
					require.NoError(t, err)
					against = c.judge(outcomes)
					time.Sleep(time.Hour) // what was closed ends
				})
				if len(against) == 0 {
					return
				}
			}
			t.Errorf("otherwise than recorded:\n%s", strings.Join(against, "\n"))
		})
	}
}

// strictSchema are documents that the webhook accepts and the schema of their kind
// refuses, as we do (see DIFFERENCES.md).
var strictSchema = map[string]bool{"DestinationRule unknown-field": true, "DestinationRule simple-and-hash": true}

// checkVerdicts compares what Istio's admission check said of each document.
func checkVerdicts(t *testing.T, c *recording) {
	config, _ := istio.Parse(c.Name+".yaml", strings.NewReader(c.resources()))
	refused := map[string]bool{}
	for f := range config.Findings() {
		if f.Code == istio.CodeRefused && f.Resource != nil {
			refused[f.Resource.Key()] = true
		}
	}
	for _, v := range c.Recorded.Validation {
		if v.Sometimes || strictSchema[v.Resource] {
			continue // the first are those on which Istio's own verdict depends on the order of a map
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
