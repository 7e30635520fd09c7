package match_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
)

// What Istio's modes make of paths, from the recorded cases path-none,
// path-default and path-merge-slashes; an empty string is 400.
func TestIstiosModes(t *testing.T) {
	for _, c := range []struct{ path, none, base, merge string }{
		{"//a/b", "//a/b", "//a/b", "/a/b"},
		{"/a/b/.", "/a/b/.", "/a/b/", "/a/b/"},
		{"/a/b//", "/a/b//", "/a/b//", "/a/b/"},
		{"/a%00b", "/a%00b", "", ""},
		{"/a/b?x=/../y", "/a/b?x=/../y", "/a/b?x=/../y", "/a/b?x=/../y"},
		{"/a/b?x=%2e%2e", "/a/b?x=%2e%2e", "/a/b?x=%2e%2e", "/a/b?x=%2e%2e"},
		{"/a%7Eb", "/a%7Eb", "/a~b", "/a~b"},
		{"/a'b", "/a'b", "/a'b", "/a'b"},
		{"/a|b", "/a|b", "/a%7Cb", "/a%7Cb"},
		{`/a"b`, `/a"b`, "/a%22b", "/a%22b"},
		{"/a<b>", "/a<b>", "/a%3Cb%3E", "/a%3Cb%3E"},
		{"//", "//", "//", "//"},
		{"/.", "/.", "/", "/"},
		{"/..", "/..", "/", "/"},
		{"/%2e", "/%2e", "/", "/"},
		{"/a%25b", "/a%25b", "/a%25b", "/a%25b"},
		{"/é", "", "", ""},
		{"*", "", "", ""},
		{"", "", "", ""},
	} {
		for do, want := range map[match.PathOptions]string{match.PathNone: c.none, match.PathBase: c.base, match.PathMergeSlashes: c.merge} {
			got, ok := match.NormalizePath(c.path, do)
			require.Equal(t, want, got, "%q with %b", c.path, do)
			require.Equal(t, want != "", ok, "%q with %b", c.path, do)
		}
	}
}

// Dots with a parameter are dots, as Envoy 1.40 showed.
func TestParametersOfDots(t *testing.T) {
	for path, want := range map[string]string{
		"/a/..;x/b":      "/b",
		"/a/.;x":         "/a/",
		"/a/..;":         "/",
		"/a/b/..;x/..;y": "/",
		"/a/..;x//b":     "//b",
		"/..;x//":        "//",
		"/a/..;%2Fb/c":   "/c",
		"/a/.;%00/b":     "/a/b",
		`/a/..;x\b`:      "/",
		`/a\..;x/b`:      "/a/..;x/b",
		"/a/..;x?y=..;":  "/?y=..;",
		"/a/.;x/../b":    "/b",
		"/a/.%2e;x/b":    "/a/..;x/b",
		"/a/%2e;x":       "/a/.;x",
		"/a/...;x":       "/a/...;x",
		"/a/;../b":       "/a/;../b",
		"/a/..%3bx":      "/a/..%3bx",
		"/a/.;x|/b":      "/a/b",
	} {
		got, ok := match.NormalizePath(path, match.PathBase)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
		got, ok = match.NormalizePath(path, match.PathNone)
		require.True(t, ok, path)
		require.Equal(t, path, got)
	}
	got, ok := match.NormalizePath("/a/..;x%2Fb", match.PathDecodeAndMergeSlashes)
	require.True(t, ok)
	require.Equal(t, "/b", got)
}

func TestAnOrdinaryPathIsNormalWithoutAllocation(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		match.NormalizePath("/reviews/7?full=1", match.PathDecodeAndMergeSlashes)
	}))
}

func FuzzNormalizedPathsAreNormal(f *testing.F) {
	for _, path := range []string{"/", "/a/../b", "/%2e%2E/%2F..%5c", "/a//..///b?x", "///", `/\..\a`, "/%252e", "/a%zz", "/.%2e/", "/a/..;x/b"} {
		for do := range 16 {
			f.Add(path, uint8(do))
		}
	}
	f.Fuzz(func(t *testing.T, path string, options uint8) {
		do := match.PathOptions(options & 15)
		got, ok := match.NormalizePath(path, do)
		if !ok {
			return
		}
		again, ok := match.NormalizePath(got, do)
		require.True(t, ok)
		if !strings.Contains(got, ";") { // of dots, which may have been escaped
			require.Equal(t, got, again, "from %q", path)
		}
		before, _, _ := strings.Cut(got, "?")
		require.Equal(t, byte('/'), before[0])
		if do&match.ResolveDots != 0 {
			for segment := range strings.SplitSeq(before, "/") {
				require.NotContains(t, []string{".", ".."}, segment)
			}
			require.NotContains(t, before, `\`)
		}
		if do&match.MergeSlashes != 0 && before != "//" {
			require.NotContains(t, before, "//")
		}
		_, query, _ := strings.Cut(path, "?")
		_, after, _ := strings.Cut(got, "?")
		require.Equal(t, query, after, "the query stays")
	})
}
