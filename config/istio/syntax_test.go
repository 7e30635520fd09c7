package istio

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

func TestHosts(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, right := range []string{
		"reviews", "reviews.shop.svc.cluster.local", "a.com.", "A-b.Com", "*", "*.example.com", "*-foo.example.com", "*foo.com",
		"1.a", "123", long + ".com",
	} {
		require.Empty(t, hostProblem(right), right)
	}
	for _, wrong := range []string{
		"", "a_b", "a.b:80", "http://a", "a..b", "-a", "a-", "a.*", "a.*.com", "**", "*.*.com", "10.0.0.1", "a.1", "a b",
		long + "a.com", strings.Repeat("a.", 128) + "com", "a.com..",
	} {
		require.NotEmpty(t, hostProblem(wrong), wrong)
	}
}

func TestOverlapsOfHosts(t *testing.T) {
	for _, tc := range []struct {
		a, b    string
		overlap bool
		within  bool // a in b
	}{
		{"a.com", "a.com", true, true},
		{"a.com", "b.com", false, false},
		{"a.com", "*.com", true, true},
		{"*.com", "a.com", true, false},
		{"*.a.com", "a.com", false, false},
		{"*.a.com", "*.com", true, true},
		{"*.com", "*.a.com", true, false},
		{"*.b.com", "*.a.com", false, false},
		{"barfoo.com", "*foo.com", true, true},
		{"*", "a.com", true, false},
		{"a.com", "*", true, true},
	} {
		require.Equal(t, tc.overlap, overlap(tc.a, tc.b), "%s and %s", tc.a, tc.b)
		require.Equal(t, tc.overlap, overlap(tc.b, tc.a), "%s and %s", tc.b, tc.a)
		require.Equal(t, tc.within, within(tc.a, tc.b), "%s in %s", tc.a, tc.b)
	}
}

// byStates is Envoy's grammar of header values written out as its automaton
// (source/common/router/header_parser.cc), to compare with.
func byStates(s string) bool {
	const (
		literal = iota
		variable
		expectList
		expectString
		inString
		expectComma
		expectBracket
		expectEnd
	)
	state := literal
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch state {
		case literal:
			if c == '%' {
				if i+1 == len(s) {
					return false
				}
				if s[i+1] == '%' {
					i++
				} else {
					state = variable
				}
			}
		case variable:
			if c == '%' {
				state = literal
			} else if c == '(' {
				state = expectList
			}
		case expectList:
			if c == '[' {
				state = expectString
			} else if c != ' ' {
				state = inString
			}
		case expectString:
			if c == '"' {
				state = inString
			} else if c != ' ' {
				return false
			}
		case inString:
			switch c {
			case '\\':
				if i++; i == len(s) {
					return false
				}
			case ')':
				state = expectEnd
			case '"':
				state = expectComma
			}
		case expectComma:
			if c == ',' {
				state = expectString
			} else if c == ']' {
				state = expectBracket
			} else if c != ' ' {
				return false
			}
		case expectBracket:
			if c == ')' {
				state = expectEnd
			} else if c != ' ' {
				return false
			}
		case expectEnd:
			if c == '%' {
				state = literal
			} else if c != ' ' {
				return false
			}
		}
	}
	return state == literal
}

func FuzzHeaderValues(f *testing.F) {
	for _, s := range []string{
		"", "plain", "50%", "50%%", "%START_TIME%", "%REQ(x-id)%", `%X(["a", "b"])%`, `%X(["a" ] ) %`, "%X()%", "%X(", `%X("a")%`,
		`%X([)%`, "%%%", "%A%%B%", "a\tb", "%X(a\\)b)%", "%X( [ \"a\",\"b\"])%",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '�' }) {
			return
		}
		if problem := headerValueProblem(s); (problem == "") != byStates(s) {
			t.Errorf("%q: %q, while Envoy's grammar says %v", s, problem, byStates(s))
		}
	})
}

func TestLabels(t *testing.T) {
	for _, right := range []string{"app", "app.kubernetes.io/name", "a_b", "A/b", strings.Repeat("p", 80) + "/x"} {
		require.True(t, isLabelKey(right), right)
	}
	for _, wrong := range []string{"", "/a", "a/", "a/b/c", "-a", "a b", "a_b/c", strings.Repeat("n", 64)} {
		require.False(t, isLabelKey(wrong), wrong)
	}
}

func TestSuggestions(t *testing.T) {
	fields := []string{"timeout", "retries", "corsPolicy", "mirrorPercentage", "match"}
	for wrong, want := range map[string]string{
		"timeuot": "timeout", "retry": "", "retrys": "retries", "cors_policy": "corsPolicy", "CORSPolicy": "corsPolicy",
		"mirror": "mirrorPercentage", "matches": "match", "x": "", "entirelyDifferent": "",
	} {
		require.Equal(t, want, manifest.Nearest(wrong, fields), wrong)
	}
}

func TestTheWiderLocalityHidesTheNarrower(t *testing.T) {
	for _, tc := range []struct {
		first, second string
		hidden        bool
	}{
		{"*", "a", true},
		{"a", "*", false},
		{"a", "a/b", true},
		{"a/b", "a", true},
		{"a/*", "a/b", true},
		{"a/b", "a/*", false},
		{"a/b/*", "a/b/c", true},
		{"a/b/c", "a/b/*", false},
		{"a/b/c", "a/b/d", false},
		{"a/b", "a/c", false},
		{"a/b/c", "a/b", true},
	} {
		require.Equal(t, tc.hidden, hides(tc.first, tc.second), "%s before %s", tc.first, tc.second)
	}
}
