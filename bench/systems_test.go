package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidecarless/mesh/bench/internal/macro"
)

// Every system works in every kind of shape, as far as there are the programs for
// it on this machine; what it costs does not matter here.
func TestEverySystemAnswersEveryRequest(t *testing.T) {
	p := macro.Plan{
		Rounds: 1, Closed: 100 * time.Millisecond, Open: 50 * time.Millisecond, Rate: 500, Short: true,
		Shapes: []macro.Shape{macro.Base, {HTTP2: true, Size: 64 << 10}, {TLS: true}, {HTTP2: true, TLS: true, Size: 512}},
	}
	results, err := p.Measure(systems, regexp.MustCompile(""), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range results {
		names = append(names, r.Name)
		if r.Errors > 0 || r.Requests == 0 {
			t.Errorf("%s: %d of %d requests failed: %s", r.Name, r.Errors, r.Requests, r.Problem)
		}
		if r.CPU <= 0 || r.P50 <= 0 || r.P99 < r.P50 {
			t.Errorf("%s: %+v", r.Name, r)
		}
		proxied := strings.Contains(r.Name, "envoy") || strings.Contains(r.Name, "proxy") || strings.Contains(r.Name, "nginx")
		if (r.Proxy > 0) != proxied {
			t.Errorf("%s: %v us of proxies", r.Name, r.Proxy)
		}
		// 5 % ask for the canary by a header, and of the others a tenth is drawn.
		divides := proxied || strings.Contains(r.Name, "ours")
		if least, most := 0.145/3, 0.145*3; divides && r.Requests > 300 && (r.Canary < least || r.Canary > most) || !divides && r.Canary > 0 {
			t.Errorf("%s: a share of %v went to the canary", r.Name, r.Canary)
		}
	}
	for _, name := range []string{"Macro/direct", "Macro/ours", "Macro/ours-yaml/h2/tls", "Macro/failsafe/tls/body=0", "Macro/ours/h2/body=65536"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s was not measured", name)
		}
	}
}
