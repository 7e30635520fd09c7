package istio

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The expectations are what sigs.k8s.io/yaml, and so an API server, makes of
// these: YAML 1.1 as go-yaml 2 reads it.
func TestScalarsAreThoseOfKubernetes(t *testing.T) {
	for _, tc := range []struct {
		written string
		kind    scalarKind
		key     string // the value as a key of JSON
	}{
		{"abc", text, "abc"},
		{"y", boolean, "true"},
		{"Yes", boolean, "true"},
		{"on", boolean, "true"},
		{"n", boolean, "false"},
		{"Off", boolean, "false"},
		{"yEs", text, "yEs"},
		{"true", boolean, "true"},
		{`"y"`, text, "y"},
		{"'no'", text, "no"},
		{"~", null, "~"},
		{"null", null, "null"},
		{"12", integer, "12"},
		{"-12", integer, "-12"},
		{"0777", integer, "511"},
		{"0o17", integer, "15"},
		{"0x1F", integer, "31"},
		{"0b101", integer, "5"},
		{"1_000", integer, "1000"},
		{"08", float, "8"},
		{"1.5", float, "1.5"},
		{".5", float, "0.5"},
		{"1e3", float, "1000"},
		{"1.", float, "1"},
		{".inf", float, "+Inf"},
		{"1:30", text, "1:30"},
		{"2026-01-31", text, "2026-01-31"},
		{"1.2.3", text, "1.2.3"},
		{"-", text, "-"},
		{"+1s", text, "+1s"},
		{"1e2147483648", text, "1e2147483648"},
		{"!!str 80", text, "80"},
		{`!!int "80"`, integer, "80"},
	} {
		t.Run(tc.written, func(t *testing.T) {
			if tc.written == "-" {
				s := plain("-")
				require.Equal(t, tc.kind, s.kind)
				return
			}
			var doc yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(tc.written), &doc))
			s := scalarOf(doc.Content[0])
			require.Equal(t, tc.kind, s.kind)
			require.Equal(t, tc.key, s.asKey())
		})
	}
}

func TestAYAsAKeyIsTheKeyTrue(t *testing.T) {
	c, err := Parse("mesh.yaml", strings.NewReader(rule("    match:\n    - headers:\n        y: {exact: a}\n        8080: {exact: b}\n")))
	require.NoError(t, err)
	headers := c.VirtualServices()[0].Spec.Http[0].Match[0].Headers
	require.Equal(t, "a", headers["true"].GetExact())
	require.Equal(t, "b", headers["8080"].GetExact())
}

func FuzzScalars(f *testing.F) {
	for _, s := range []string{"", "12", "y", "1_0.5e-3", "-0x1", "0b", "+.inf", "_", "1__2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := plain(s)
		if i, ok := v.integer(); ok && float64(i) != v.number {
			t.Errorf("%q is %d as a whole number and %v as a number", s, i, v.number)
		}
		if v.kind == integer && plain(v.asKey()).whole != v.whole {
			t.Errorf("%q does not survive as a key: %q", s, v.asKey())
		}
	})
}
