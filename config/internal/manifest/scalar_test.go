package manifest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The expectations are what sigs.k8s.io/yaml, and so an API server, makes of
// these: YAML 1.1 as go-yaml 2 reads it.
func TestScalarsAreThoseOfKubernetes(t *testing.T) {
	for _, tc := range []struct {
		written string
		kind    Kind
		key     string // the value as a key of JSON
	}{
		{"abc", Text, "abc"},
		{"y", Boolean, "true"},
		{"Yes", Boolean, "true"},
		{"on", Boolean, "true"},
		{"n", Boolean, "false"},
		{"Off", Boolean, "false"},
		{"yEs", Text, "yEs"},
		{"true", Boolean, "true"},
		{`"y"`, Text, "y"},
		{"'no'", Text, "no"},
		{"~", Null, "~"},
		{"null", Null, "null"},
		{"12", Integer, "12"},
		{"-12", Integer, "-12"},
		{"0777", Integer, "511"},
		{"0o17", Integer, "15"},
		{"0x1F", Integer, "31"},
		{"0b101", Integer, "5"},
		{"1_000", Integer, "1000"},
		{"08", Float, "8"},
		{"1.5", Float, "1.5"},
		{".5", Float, "0.5"},
		{"1e3", Float, "1000"},
		{"1.", Float, "1"},
		{".inf", Float, "+Inf"},
		{"1:30", Text, "1:30"},
		{"2026-01-31", Text, "2026-01-31"},
		{"1.2.3", Text, "1.2.3"},
		{"-", Text, "-"},
		{"+1s", Text, "+1s"},
		{"1e2147483648", Text, "1e2147483648"},
		{"!!str 80", Text, "80"},
		{`!!int "80"`, Integer, "80"},
	} {
		t.Run(tc.written, func(t *testing.T) {
			if tc.written == "-" {
				s := Plain("-")
				require.Equal(t, tc.kind, s.Kind)
				return
			}
			var doc yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(tc.written), &doc))
			s := ScalarOf(doc.Content[0])
			require.Equal(t, tc.kind, s.Kind)
			require.Equal(t, tc.key, s.AsKey())
		})
	}
}

func FuzzScalars(f *testing.F) {
	for _, s := range []string{"", "12", "y", "1_0.5e-3", "-0x1", "0b", "+.inf", "_", "1__2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := Plain(s)
		if i, ok := v.Integer(); ok && float64(i) != v.Number {
			t.Errorf("%q is %d as a whole number and %v as a number", s, i, v.Number)
		}
		if v.Kind == Integer && Plain(v.AsKey()).Whole != v.Whole {
			t.Errorf("%q does not survive as a key: %q", s, v.AsKey())
		}
	})
}
