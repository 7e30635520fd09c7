package gatewayapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sidecarless/mesh/config/internal/hostile"
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

// hostileDocuments are documents that want to cost much.
func hostileDocuments() map[string]string {
	return map[string]string{
		"an alias bomb":               hostile.Bomb("{name: x}") + httpRoute("shop/a", "parentRefs: *a29"),
		"a document of 10 MiB":        httpRoute("shop/a", "parentRefs: []") + hostile.Film(),
		"a weight beyond all numbers": httpRoute("shop/a", onEdge+"rules: [{backendRefs: [{name: a, port: 80, weight: 1e2147483648}]}]"),
		"ten thousand mistakes":       httpRoute("shop/a", manyKeys(10_000)) + manyKeys(10_000),
	}
}

func TestHostileDocumentsCostLittle(t *testing.T) {
	hostile.Test(t, hostileDocuments(), manyRoutes(150), parsing)
}

func BenchmarkHostile(b *testing.B) { hostile.Benchmark(b, hostileDocuments(), parsing) }

// parsing reads documents, whatever they hold.
func parsing(documents string) error {
	_, err := Parse("mesh.yaml", strings.NewReader(documents))
	return err
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
