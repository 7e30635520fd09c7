package gatewayapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/costtest"
)

// manyRoutes are n routes on one Gateway, each with a host and ten rules.
func manyRoutes(n int) string {
	var doc strings.Builder
	doc.WriteString(edge + "---\n" + service("shop/a"))
	for i := range n {
		var rules strings.Builder
		for j := range 10 {
			fmt.Fprintf(&rules, "- matches: [{path: {value: /p%d}, headers: [{name: v, value: \"%d\"}]}]\n  backendRefs: [{name: a, port: 80}]\n", j, j)
		}
		doc.WriteString("---\n" + httpRoute(fmt.Sprintf("shop/r%d", i), onEdge+fmt.Sprintf("hostnames: [h%d.example.com]\nrules:\n", i)+rules.String()))
	}
	return doc.String()
}

// hostile are documents that want to cost much.
func hostile() map[string]string {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 {name: x}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	return map[string]string{
		"an alias bomb":               bomb.String() + httpRoute("shop/a", "parentRefs: *a29"),
		"a document of 10 MiB":        httpRoute("shop/a", "parentRefs: []") + strings.Repeat("# padding to the size of a film\n", 10<<20/32),
		"a weight beyond all numbers": httpRoute("shop/a", onEdge+"rules: [{backendRefs: [{name: a, port: 80, weight: 1e2147483648}]}]"),
		"ten thousand mistakes":       httpRoute("shop/a", manyKeys(10_000)) + manyKeys(10_000),
	}
}

// No hostile document costs more than a few honest ones of some 200 KiB: what its
// aliases make of it is bounded, and what is too large is not read.
func TestHostileDocumentsCostLittle(t *testing.T) {
	honest := manyRoutes(150)
	for name, doc := range hostile() {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("mesh.yaml", strings.NewReader(doc))
			require.Error(t, err)
			require.Less(t, len(err.Error()), 1<<20)
			costtest.AtMost(t, 5, func() { Parse("mesh.yaml", strings.NewReader(doc)) }, func() { Parse("mesh.yaml", strings.NewReader(honest)) }) //nolint:errcheck // as above
		})
	}
}

// BenchmarkHostile is what it costs to refuse them: some milliseconds, and what YAML
// itself costs where a document is large.
func BenchmarkHostile(b *testing.B) {
	for name, doc := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				Parse("mesh.yaml", strings.NewReader(doc)) //nolint:errcheck // it is refused
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func BenchmarkParse1000Routes(b *testing.B) {
	doc := manyRoutes(1000)
	for b.Loop() {
		if _, err := Parse("mesh.yaml", strings.NewReader(doc)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGatewayOf1000Routes(b *testing.B) {
	c := parse(b, manyRoutes(1000))
	for b.Loop() {
		g, err := NewGateway(c, GatewayConfig{})
		if err != nil {
			b.Fatal(err)
		}
		g.Close()
	}
}

func BenchmarkRouting(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := parse(b, manyRoutes(n))
			g, err := NewGateway(c, GatewayConfig{})
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			r, _ := http.NewRequest(http.MethodGet, "http://h0.example.com/p9", http.NoBody)
			r.Header["V"] = []string{"8"} // no rule fits, so that only routing is measured
			entry := listening{g, 80}
			b.ReportAllocs()
			for b.Loop() {
				entry.RoundTrip(r)
			}
		})
	}
}
