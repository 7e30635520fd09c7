package istio

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sidecarless/mesh/config/internal/hostile"
)

// hostileDocuments are documents that want to cost much.
func hostileDocuments() map[string]string {
	bomb := hostile.Bomb("[x, x, x, x, x, x, x, x, x]")
	var merges strings.Builder
	merges.WriteString("m0: &m0 {k: v}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&merges, "m%d: &m%d {<<: [%s*m%d]}\n", i, i, strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 8), i-1)
	}
	mesh := "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n"
	return map[string]string{
		"an alias bomb in free data":    mesh + bomb + "extensionProviders: [{name: a, envoyFileAccessLog: {path: /dev/stdout, logFormat: {labels: {x: *a29}}}}]\n",
		"an alias bomb in hosts":        bomb + strings.Replace(rule(""), "[reviews]", "*a29", 1),
		"an alias bomb of merges":       merges.String() + strings.Replace(rule(""), "{name: reviews, namespace: shop}", "{<<: *m29}", 1),
		"an anchor within itself":       "a: &a {b: *a}\n" + strings.Replace(rule(""), "{host: reviews}", "*a", 1),
		"a merge of itself":             "a: &a {<<: *a}\n" + strings.Replace(rule(""), "{host: reviews}", "*a", 1),
		"a list deeper than any object": strings.Replace(rule(""), "[reviews]", strings.Repeat("[", 20000), 1),
		"a document of 10 MiB":          rule("") + hostile.Film(),
		"a weight beyond all numbers":   rule("      weight: 1e2147483648\n"),
		"a number of a million digits":  rule("      weight: " + strings.Repeat("9", 1_000_000) + "\n"),
		"a thousand fields that are not": rule(strings.Repeat("    x", 1)+": 1\n") + func() string {
			var b strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&b, "    y%d: 1\n", i)
			}
			return b.String()
		}(),
	}
}

func TestHostileDocumentsCostLittle(t *testing.T) {
	hostile.Test(t, hostileDocuments(), large(60), parsing)
}

func BenchmarkHostile(b *testing.B) { hostile.Benchmark(b, hostileDocuments(), parsing) }

// parsing reads documents, whatever they hold.
func parsing(documents string) error {
	_, err := Parse("mesh.yaml", strings.NewReader(documents))
	return err
}

// The names in the tables of the schema are those of Istio's descriptors.
func TestTheSchemaSpeaksOfFieldsThatExist(t *testing.T) {
	field := func(message protoreflect.FullName, name string) protoreflect.FieldDescriptor {
		desc, err := protoregistry.GlobalFiles.FindDescriptorByName(message)
		require.NoError(t, err)
		fd := fieldOf(desc.(protoreflect.MessageDescriptor), name)
		require.NotNil(t, fd, "%s has no field %s", message, name)
		return fd
	}
	for message, all := range limits {
		for _, l := range all {
			field(message, l.field)
		}
	}
	for message, groups := range together {
		for _, group := range groups {
			for _, name := range group {
				field(message, name)
			}
		}
	}
	for message, all := range neverEmpty {
		for _, name := range all {
			require.True(t, field(message, name).IsList())
		}
	}
}

func TestAtMostAHundredProblemsAreToldOfOneObject(t *testing.T) {
	c, _ := Parse("mesh.yaml", strings.NewReader(hostileDocuments()["a thousand fields that are not"]))
	n := 0
	for range c.Findings() {
		n++
	}
	require.Equal(t, maxFindings+1, n)
}

// large is a file of many VirtualServices with ten rules each.
func large(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: svc-%d, namespace: shop}\nspec:\n  hosts: [svc-%d]\n  http:\n", i, i)
		for j := range 10 {
			fmt.Fprintf(&b, `  - name: rule-%d
    match:
    - uri:
        prefix: /v%d/
      headers:
        user-group:
          exact: g%d
    route:
    - destination: {host: svc-%d, subset: v1}
      weight: 90
    - destination: {host: svc-%d, subset: v2}
      weight: 10
    timeout: 10s
    retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,reset"}
`, j, j, j, i, i)
		}
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	doc := large(100)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("mesh.yaml", strings.NewReader(doc)); err != nil {
			b.Fatal(err)
		}
	}
}

// breaks are what ends a line in YAML 1.1 (section 4.2).
var breaks = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// FuzzParse feeds documents that were cut and mixed: whatever comes, there is
// an answer, and each problem names a line of the file.
func FuzzParse(f *testing.F) {
	f.Add(rule("    timeout: 3s\n"))
	f.Add(policy("    outlierDetection: {consecutive5xxErrors: 3}\n") + "---\n" + service("a", ""))
	f.Add("a: &a {<<: *a}\nkind: List\nitems: [*a]\n")
	f.Add(`{"apiVersion":"v1","kind":"List","items":[null,1,{"kind":"Service","apiVersion":"v1"}]}`)
	f.Add("? [a]\n: b\n")
	f.Add("\"0\r\r")
	f.Add("a: \u2028\n  \u0085b: [\n")
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := Parse("mesh.yaml", strings.NewReader(doc))
		lines := len(breaks.FindAllString(doc, -1)) + 1
		failed := false
		for finding := range c.Findings() {
			failed = failed || finding.Level == Error
			if finding.Line < 1 || finding.Line > lines+1 {
				t.Errorf("line %d of %d: %v", finding.Line, lines, finding)
			}
		}
		if failed != (err != nil) {
			t.Errorf("findings and error disagree: %v", err)
		}
		for r := range c.Resources() {
			if line := r.LineOf("spec"); line < r.Line || line > lines {
				t.Errorf("spec of %s in line %d of %d", r.Key(), line, lines)
			}
		}
	})
}

// A field of a document moved about must never be read without a word.
func TestUnknownFieldsAreNeverIgnored(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lines := strings.Split(strings.TrimSuffix(large(1)[4:], "\n"), "\n")
	for i, line := range lines {
		key, _, found := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if !found || key == "spec" || strings.Contains(line, "exact") || strings.Contains(line, "user-group") {
			continue
		}
		at := r.IntN(len(key))
		changed := append([]string{}, lines...)
		changed[i] = strings.Replace(line, key+":", key[:at]+"q"+key[at:]+":", 1)
		_, err := Parse("mesh.yaml", strings.NewReader(strings.Join(changed, "\n")))
		require.Error(t, err, "line %d: %s", i+1, changed[i])
	}
}
