package smi

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
)

const canary = `apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {name: canary, namespace: shop}
spec:
  service: web
  backends:
  - service: web-v1
    weight: 90
  - service: web-v2
    weight: 10
`

func lines(err error) (all []string) {
	for p := range mesh.Problems(err) {
		all = append(all, p.Error())
	}
	return all
}

func TestProblemsNameTheirPlace(t *testing.T) {
	for _, tc := range []struct {
		name, doc string
		options   Options
		want      []string
	}{
		{"a weight that is none", strings.Replace(canary, "90", "90%", 1), Options{}, []string{
			`split.yaml:8: TrafficSplit shop/canary: spec.backends[0].weight: has a unit that does not exist; there are n, u, m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei (got "90%")`,
		}},
		{"several mistakes", "kind: List\nitems:\n- " + strings.ReplaceAll(strings.NewReplacer("web\n", "web.other\n", "weight: 10", "wieght: 10").Replace(canary), "\n", "\n  "), Options{Strict: true}, []string{
			`split.yaml:7: TrafficSplit shop/canary: spec.service: must be in the object's own namespace, shop (got "web.other")`,
			`split.yaml:12: TrafficSplit shop/canary: spec.backends[1].wieght: there is no such field; did you mean weight?`,
			`split.yaml:11: TrafficSplit shop/canary: spec.backends[1].weight: is missing`,
		}},
		{"no object", "- a\n---\nb\n", Options{}, []string{
			`split.yaml:1: is a list, where an object with apiVersion and kind belongs`,
			`split.yaml:3: is a string, where an object with apiVersion and kind belongs`,
		}},
		{"a key given twice", canary + "    weight: 20\n", Options{}, []string{
			`split.yaml:10: TrafficSplit shop/canary: spec.backends[1].weight: the key "weight" is given twice, first in line 10; only one of them would count`,
		}},
		{"a kind that does not exist", strings.Replace(canary, "TrafficSplit", "TrafficSplitter", 1), Options{}, []string{
			`split.yaml:2: TrafficSplitter: kind: there is no such kind; did you mean TrafficSplit? (got "TrafficSplitter")`,
		}},
		{"two objects of one name", canary + "---\n" + strings.Replace(canary, "service: web\n", "service: shop\n", 1), Options{}, []string{
			`split.yaml:12: TrafficSplit shop/canary: there is another one of this name`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tc.options.Parse("split.yaml", strings.NewReader(tc.doc))
			require.Equal(t, tc.want, lines(err))
		})
	}
}

func TestTolerantReadingWarns(t *testing.T) {
	doc := strings.Replace(canary, "smi-spec", "smi-specs", 1) + "  color: blue\n" +
		"---\napiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\nmetadata: {name: t}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
	c, err := Parse("split.yaml", strings.NewReader(doc))
	require.NoError(t, err)
	var warnings []string
	for p := range c.Warnings() {
		warnings = append(warnings, p.Error())
	}
	require.Equal(t, []string{
		`split.yaml:1: TrafficSplit: apiVersion: the group is split.smi-spec.io, and a cluster knows no other (got "split.smi-specs.io")`,
		`split.yaml:11: TrafficSplit shop/canary: spec.color: is passed over: there is no such field`,
		`split.yaml:14: TrafficTarget: kind: is passed over: access is enforced by the server, and not by this package (got "TrafficTarget")`,
	}, warnings)
}

func TestTheTutorialsSplits(t *testing.T) {
	for file, want := range map[string][]int64{"traffic-split.yaml": {900, 100}, "traffic-split.v1alpha2.yaml": {900, 100}} {
		c, err := ParseFiles("../../conformance/testdata/seeds/" + file)
		var codes []Code
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			codes = append(codes, e.(*Error).Code)
		}
		require.Equal(t, []Code{CodeDuplicate, CodeApexConflict}, codes, "a file with the split before and after a change of weights")
		require.Equal(t, []Backend{{"my-app-v1", want[0]}, {"my-app-v2", want[1]}}, c.Splits[0].Backends)
	}
	_, err := ParseFiles("../../conformance/testdata/seeds/traffic-split.as-published.yaml")
	require.ErrorContains(t, err, "is no valid YAML", "without indentation it is no split")
}

func TestGroupsAreFoundAcrossFiles(t *testing.T) {
	fsys := fstest.MapFS{
		"a.yaml": {Data: []byte(canary + "  matches: [{kind: HTTPRouteGroup, name: beta}]\n")},
		"b.yaml": {Data: []byte("apiVersion: specs.smi-spec.io/v1alpha2\nkind: HTTPRouteGroup\nmetadata: {name: beta, namespace: shop}\nmatches:\n- {name: all, methods: [GET]}\n")},
	}
	c, err := ParseFS(fsys, "*.yaml")
	require.NoError(t, err)
	require.Equal(t, "all", c.Splits[0].Matches[0].Name)
	require.Equal(t, "b.yaml", c.Groups[0].File)

	_, err = ParseFS(fsys, "a.yaml", "c.yaml")
	require.ErrorContains(t, err, "there is no such HTTPRouteGroup")
	require.ErrorContains(t, err, "c.yaml: cannot be read")
}

func TestAnExpressionCannotBreakOutOfItsAnchor(t *testing.T) {
	group := "apiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: {name: a}\nspec: {matches: [{name: m, pathRegex: '/a)|(/b'}]}\n"
	_, err := Parse("group.yaml", strings.NewReader(group))
	require.ErrorContains(t, err, "is no regular expression of RE2")
	_, err = Parse("group.yaml", strings.NewReader(strings.Replace(group, "/a)|(/b", strings.Repeat("a", 1025), 1)))
	require.ErrorContains(t, err, "at most 1024 are allowed")
}

func FuzzParse(f *testing.F) {
	f.Add(canary)
	for _, c := range corpus.Cases[splitCase](f, "smi/trafficsplit") {
		f.Add(c.YAML)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := Parse("split.yaml", strings.NewReader(doc))
		strict, strictErr := Options{Strict: true}.Parse("split.yaml", strings.NewReader(doc))
		if err != nil && strictErr == nil {
			t.Errorf("the strict reading takes what the tolerant one refuses: %v", err)
		}
		if strictErr == nil {
			require.Equal(t, len(c.Splits), len(strict.Splits))
		}
		for _, s := range c.Splits {
			if s.Name == "" || s.Service == "" || len(s.Backends) == 0 {
				t.Errorf("a split without a name, a service or a backend: %+v", s)
			}
		}
	})
}
