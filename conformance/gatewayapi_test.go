package conformance

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
)

// A gatewayCase is one test of the suite.
type gatewayCase struct {
	Name       string
	Features   []string
	Manifests  []json.RawMessage
	Conditions []struct {
		Route, Parent, Type, Status, Reason string
		Accepted                            *int `json:"accepted_parents"`
	}
	Requests []gatewayProbe
}

// A gatewayProbe is one request, or many alike, with what is expected.
type gatewayProbe struct {
	Name          string
	Gateway       string
	Port          int `json:"gateway_port"`
	Scheme        string
	TLSServerName string `json:"tls_server_name"`
	From          string
	Request       *struct {
		Host, Method, Path, Protocol string
		Headers                      map[string]string
	}
	BackendSets map[string]string `json:"backend_sets_response_headers"`
	GRPC        *struct {
		Method, Authority string
		Metadata          map[string]string
	} `json:"grpc"`
	Expect       gatewayExpectation
	Distribution *struct {
		Total     int
		Tolerance float64
		Backends  map[string]float64
	}
	After string
}

type gatewayExpectation struct {
	Status             []int
	Backend, Namespace string
	Upstream           *struct {
		Host, Path, Method string
		Headers            map[string]string
		AbsentHeaders      []string `json:"absent_headers"`
	}
	Response *struct {
		Headers          map[string]string
		OneOfHeaders     map[string][]string `json:"one_of_headers"`
		AbsentHeaders    []string            `json:"absent_headers"`
		IgnoreWhitespace bool                `json:"ignore_whitespace"`
	}
	Redirect   *struct{ Scheme, Host, Port, Path string }
	MirroredTo []struct {
		Name, Namespace string
		Percent         *int
	} `json:"mirrored_to"`
	GRPCCode         string              `json:"grpc_code"`
	ResponseMetadata map[string][]string `json:"response_metadata"`
}

// A gatewayBase is what all cases have in common.
type gatewayBase struct {
	GatewayManifests []json.RawMessage `json:"gateway_manifests"`
	MeshManifests    []json.RawMessage `json:"mesh_manifests"`
	Workloads        []gatewayWorkload
}

// The cases are recorded from the Gateway API's own conformance suite and belong to
// that project.
func TestGatewayAPIConformance(t *testing.T) {
	files := corpus.Shared(t, "gateway-api/[A-Z]*.json")
	if len(files) == 0 {
		return
	}
	var base gatewayBase
	corpus.SharedJSON(t, "gateway-api/_base.json", &base)
	pods := startPods(t, base.Workloads)
	probes := 0
	for _, file := range files {
		var c gatewayCase
		corpus.SharedJSON(t, "gateway-api/"+filepath.Base(file), &c)
		probes += len(c.Requests)
		t.Run(c.Name, func(t *testing.T) { playGateway(t, &base, pods, &c) })
	}
	t.Logf("%d cases played, %d probes", len(files), probes)
}

// playGateway plays a case: its status, then its probes in order.
func playGateway(t *testing.T, base *gatewayBase, pods *podNetwork, c *gatewayCase) {
	w := newGatewayWorld(t, base, pods, c)
	checkConditions(t, w, c)
	for i, p := range c.Requests {
		if p.After != "" {
			require.Contains(t, p.After, "ReferenceGrant object is deleted")
			w.drop("ReferenceGrant")
		}
		t.Run(p.Name, func(t *testing.T) {
			pods.standIn(&p)
			if p.Distribution != nil {
				checkDistribution(t, w, &c.Requests[i-1], &p)
			} else {
				w.check(t, &p)
			}
		})
	}
}

// checkConditions compares the status of routes.
func checkConditions(t *testing.T, w *gatewayWorld, c *gatewayCase) {
	all := w.config.Conditions()
	for _, want := range c.Conditions {
		accepted, found := 0, false
		for _, have := range all {
			_, name, _ := strings.Cut(have.Route, " ")
			if name != want.Route {
				continue
			}
			if have.Type == "Accepted" && have.Status {
				accepted++
			}
			if have.Parent == want.Parent && have.Type == want.Type {
				found = true
				require.Equal(t, want.Status == "True", have.Status, "%s at %s: %s (%s)", want.Route, want.Parent, want.Type, have.Reason)
				if want.Reason != "" && want.Reason != "Accepted" {
					require.Equal(t, want.Reason, have.Reason, "%s at %s: %s", want.Route, want.Parent, want.Type)
				}
			}
		}
		if want.Accepted != nil {
			require.Equal(t, *want.Accepted, accepted, "%s: accepting parents", want.Route)
		} else {
			require.True(t, found, "%s at %s: no %s", want.Route, want.Parent, want.Type)
		}
	}
}

// checkDistribution repeats a probe and compares who answered how often. The
// tolerance is little more than two standard deviations, so that, as in the suite,
// one of several rounds has to be within it.
func checkDistribution(t *testing.T, w *gatewayWorld, p, many *gatewayProbe) {
	var seen map[string]int
	for range plays {
		if seen = countAnswers(t, w, p, many); distributed(seen, many) {
			return
		}
	}
	t.Errorf("%v of %d requests each, want %v", seen, many.Distribution.Total, many.Distribution.Backends)
}

// countAnswers sends as many requests as are asked for and counts who answered.
func countAnswers(t *testing.T, w *gatewayWorld, p, many *gatewayProbe) map[string]int {
	seen := map[string]int{}
	for range many.Distribution.Total {
		pod := w.send(t, p).pod
		seen[pod[:strings.LastIndexByte(pod, '-')]]++
	}
	return seen
}

func distributed(seen map[string]int, many *gatewayProbe) bool {
	d := many.Distribution
	sum := 0
	for name, share := range d.Backends {
		have := float64(seen[name]) / float64(d.Total)
		sum += seen[name]
		if math.Abs(have-share) > d.Tolerance || (have > 0) != (share > 0) {
			return false
		}
	}
	return sum == d.Total
}
