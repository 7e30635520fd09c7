package match_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/costtest"
	"github.com/sidecarless/mesh/match"
)

func TestValues(t *testing.T) {
	for _, c := range []struct {
		value match.Value
		yes   []string
		no    []string
	}{
		{match.Value{}, []string{"", "a"}, nil},
		{match.Present(), []string{"", "a"}, nil},
		{match.Present().Not(), nil, []string{"", "a"}},
		{match.Exact(""), []string{""}, []string{"a"}},
		{match.Exact("a"), []string{"a"}, []string{"", "A", "ab", "ba"}},
		{match.Exact("Ab").Fold(), []string{"ab", "AB"}, []string{"a", "abc"}},
		{match.Exact("K").Fold(), []string{"k", "K"}, []string{"\u212a"}}, // the Kelvin sign is no ASCII letter
		{match.Exact("a").Not(), []string{"", "b"}, []string{"a"}},
		{match.Prefix("/v1"), []string{"/v1", "/v10", "/v1/x"}, []string{"/v", "/V1", "x/v1"}},
		{match.Prefix(""), []string{"", "a"}, nil},
		{match.Prefix("/V1").Fold(), []string{"/v1", "/V1x"}, []string{"/v2"}},
		{match.Suffix(".js"), []string{".js", "a.js"}, []string{"js", ".jsx"}},
		{match.Suffix(".JS").Fold(), []string{"a.js", "a.Js"}, []string{"a.j"}},
		{match.Segments("/a"), []string{"/a", "/a/", "/a/b"}, []string{"/ab", "/", "/b/a"}},
		{match.Segments("/a/"), []string{"/a", "/a/", "/a/b"}, []string{"/ab"}},
		{match.Segments("/"), []string{"/", "/a"}, []string{"*"}},
		{match.Regex("us-.*"), []string{"us-", "us-east"}, []string{"us", "eu-us-"}},
		{match.Regex("us-.+"), []string{"us-e"}, []string{"us-"}},
		{match.Regex("^us-.*$"), []string{"us-east"}, []string{"eu"}},
		{match.Regex(".*-canary"), []string{"-canary", "v2-canary"}, []string{"canary", "-canary-2"}},
		{match.Regex("a.*a"), []string{"aa", "aba"}, []string{"a"}}, // head and tail do not overlap
		{match.Regex("a(b)c"), []string{"abc"}, []string{"ac", "xabc", "abcx"}},
		{match.Regex(`a\.b`), []string{"a.b"}, []string{"axb"}},
		{match.Regex("a|ab"), []string{"a", "ab"}, []string{"abc", ""}},
		{match.Regex("(?i)a"), []string{"a", "A"}, []string{"b"}},
		{match.Regex(".*"), []string{"", "a"}, nil},
		{match.Regex(""), []string{""}, []string{"a"}},
		{match.Regex(`a\Q.`), []string{"a."}, []string{"ab"}}, // what is quoted to the end stays so
		{match.Regex("a|b").Not(), []string{"c", ""}, []string{"a", "b"}},
		{match.Regex("^(.*?;)?(user=jason)(;.*)?$"), []string{"user=jason", "a=b;user=jason;c=d"}, []string{"user=jasonx"}},
		{match.Template("/a/{*}"), []string{"/a/b", "/a/%2F", "/a/b;x"}, []string{"/a/", "/a", "/a/b/", "/a/b/c"}},
		{match.Template("/a/{*}"), []string{"/a/b", "/a/%2F", "/a/;x=*"}, []string{"/a/", "/a/b/c", `/a/b\c`, "/a/[b]", "/a/b|c", "/a/\xc3\xa9"}},
		{match.Template("/a/{**}"), []string{"/a/", "/a/x/y"}, []string{"/a", `/a/x\y`, "/a/x/[y]"}},
		{match.Template("/{**}/b"), []string{"/x/b", "/x/y/b", "//b"}, []string{"/b", "/x/b/"}},
		{match.Template("/{*}/x/{**}/y"), []string{"/a/x//y", "/a/x/b/c/y"}, []string{"/a/x/y", "//x/b/y"}},
		{match.Template("/{*}/{*}"), []string{"/a/b"}, []string{"/a", "/a/", "//b", "/a/b/c"}},
		{match.Template("/a"), []string{"/a"}, []string{"/a/", "/"}},
	} {
		for _, s := range c.yes {
			require.True(t, accepts(t, c.value, s), "%s should accept %q", c.value, s)
		}
		for _, s := range c.no {
			require.False(t, accepts(t, c.value, s), "%s should not accept %q", c.value, s)
		}
	}
}

func TestAValueSaysWhatItIs(t *testing.T) {
	require.Equal(t, "any", match.Value{}.String())
	require.Equal(t, "present", match.Present().String())
	require.Equal(t, `exact "v2"`, match.Exact("v2").String())
	require.Equal(t, `not prefix "/A" in any case`, match.Prefix("/A").Fold().Not().String())
	require.Equal(t, match.Exact("a"), match.Exact("a").Not().Not())
}

func TestBadDescriptionsAreReportedWithTheirFields(t *testing.T) {
	header := func(name string, v match.Value) match.Request {
		return match.Request{Headers: []match.Field{{Name: "x-ok"}, {Name: name, Value: v}}}
	}
	for _, c := range []struct {
		anyOf []match.Request
		want  string
	}{
		{[]match.Request{{Path: match.Regex("(")}}, "Path: missing closing ): \"(\" (got \"(\")"},
		{[]match.Request{{Path: match.Regex("a)(b")}}, "Path: unexpected ): \"a)(b\" (got \"a)(b\")"},
		{[]match.Request{{Path: match.Regex("(?=a)")}}, "Path: invalid or unsupported Perl syntax: \"(?=\""},
		{[]match.Request{{Path: match.Regex("*")}}, "Path: missing argument to repetition operator: \"*\""},
		{[]match.Request{{Method: match.Regex("a{1001}")}}, "Method: invalid repeat count"},
		{[]match.Request{{Host: match.Regex("a").Fold()}}, "Host: a regular expression has its own way to ignore case: write (?i)"},
		{[]match.Request{{Path: match.Template("/a").Fold()}}, "Path: a template cannot ignore case"},
		{[]match.Request{{Path: match.Template("a/{*}")}}, "Path: a template begins with a slash"},
		{[]match.Request{{Path: match.Template("")}}, "Path: a template begins with a slash"},
		{[]match.Request{{Path: match.Template("/{**}/{*}")}}, "Path: no {*} may follow {**}"},
		{[]match.Request{{Path: match.Template("/{**}/{**}")}}, "Path: a template may have one {**}"},
		{[]match.Request{{Path: match.Template("/{id}")}}, "Path: a segment of a template is text, {*} or {**}"},
		{[]match.Request{{Path: match.Template("/a{*}")}}, "Path: a segment of a template is text, {*} or {**}"},
		{[]match.Request{header("", match.Exact("a"))}, `Headers[1].Name: is no name of a header (got "")`},
		{[]match.Request{header("a b", match.Exact("a"))}, `Headers[1].Name: is no name of a header (got "a b")`},
		{[]match.Request{header(":port", match.Exact("a"))}, `Headers[1].Name: is no name of a header (got ":port")`},
		{[]match.Request{header("ä", match.Exact("a"))}, `Headers[1].Name: is no name of a header`},
		{[]match.Request{header("a", match.Regex("["))}, "Headers[1].Value: missing closing ]"},
		{[]match.Request{{Without: []match.Field{{Name: "a:b"}}}}, `Without[0].Name: is no name of a header (got "a:b")`},
		{[]match.Request{{}, {Query: []match.Field{{Name: "q", Value: match.Regex("[")}}}}, "[1].Query[0].Value: missing closing ]"},
	} {
		_, err := match.New(c.anyOf...)
		require.ErrorContains(t, err, c.want)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := match.New(match.Request{Path: match.Regex("("), Headers: []match.Field{{Name: "", Value: match.Regex("[")}}})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"match.Path", "match.Headers[0].Name", "match.Headers[0].Value"}, fields)

	_, err = match.NewStrings(match.Exact("a"), match.Regex("["))
	require.ErrorContains(t, err, "[1]: missing closing ]")
}

func TestAHugeExpressionIsRefusedAtOnce(t *testing.T) {
	compile := func(expr string) func() {
		return func() { match.New(match.Request{Path: match.Regex(expr)}) } //nolint:errcheck // only its time counts
	}
	honest := compile(strings.Repeat("(a|b)*c", 2_000)) // about as long as may be
	for _, expr := range []string{
		strings.Repeat("a", 1<<20+1),
		strings.Repeat("(", 1<<20),
		strings.Repeat("(a|b)*", 1<<18),
		strings.Repeat("(", 10_000),
		strings.Repeat("(?:a{0,100}", 1_400),
	} {
		_, err := match.New(match.Request{Path: match.Regex(expr)})
		require.Error(t, err)
		costtest.AtMost(t, 1, compile(expr), honest)
		require.Less(t, len(err.Error()), 1000, "the expression is not repeated whole")
	}
}

func FuzzRegexIsAFullMatch(f *testing.F) {
	for _, expr := range []string{"us-.*", ".*x", "a.*b", "(a|b)c", "^a$", "", "a+", `\Qa`, "(?i)ab", ".+", "(?s).*a", "a(?:b|)", "é.", "(?m)^a$", "a$b"} {
		for _, s := range []string{"", "us-east", "ab", "axb", "abc", "é!"} {
			f.Add(expr, s)
		}
	}
	f.Fuzz(func(t *testing.T, expr, s string) {
		if strings.ContainsAny(s, "\n") {
			return // no part of a request holds one
		}
		m, err := match.NewStrings(match.Regex(expr))
		_, plainErr := regexp.Compile(expr)
		if err != nil || plainErr != nil {
			require.Equal(t, plainErr != nil, err != nil && len(expr) <= 16<<10, "%v, %v", err, plainErr)
			return
		}
		require.Equal(t, fullMatch(t, expr, s), m.Match(s), "%q on %q", expr, s)
	})
}

func FuzzTemplateIsItsExpression(f *testing.F) {
	for _, p := range []string{"/a/{*}", "/{**}/b", "/{*}/{**}", "/a", "/", "//", "/{*}/x/{**}/y/z"} {
		for _, s := range []string{"/a/b", "//b", "/", "", "/x/x/y", "/q/x/1/2/y/z"} {
			f.Add(p, s)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		m, err := match.NewStrings(match.Template(pattern))
		if err != nil || strings.Contains(path, "\n") || !utf8.ValidString(pattern) {
			return
		}
		var expr strings.Builder
		for i, segment := range strings.Split(pattern, "/") {
			if i > 0 {
				expr.WriteByte('/')
			}
			switch segment {
			case "{*}":
				expr.WriteString("[a-zA-Z0-9._~%!$&'()*+,;=:@-]+")
			case "{**}":
				expr.WriteString("[a-zA-Z0-9._~%!$&'()*+,;=:@/-]*")
			default:
				expr.WriteString(regexp.QuoteMeta(segment))
			}
		}
		require.Equal(t, fullMatch(t, expr.String(), path), m.Match(path), "%q on %q", pattern, path)
	})
}

// fullMatch reports whether an expression's longest match from the beginning is
// all of s.
func fullMatch(t *testing.T, expr, s string) bool {
	re, err := regexp.Compile(expr)
	require.NoError(t, err)
	re.Longest()
	at := re.FindStringIndex(s)
	return at != nil && at[0] == 0 && at[1] == len(s)
}
