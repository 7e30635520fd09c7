package match_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
)

// texts are all strings of up to four of these letters that begin with a slash.
func texts() []string {
	all := []string{"", "a", "A", "ab"}
	level := []string{"/"}
	for range 3 {
		all = append(all, level...)
		var next []string
		for _, s := range level {
			for _, c := range []string{"a", "A", "b", "/"} {
				next = append(next, s+c)
			}
		}
		level = next
	}
	return append(all, level...)
}

func someValue(r *rand.Rand) match.Value {
	all := texts()
	s := all[r.IntN(30)]
	v := []match.Value{
		{}, match.Present(), match.Exact(s), match.Prefix(s), match.Suffix(s), match.Segments(s),
		match.Regex(s), match.Regex(s + ".*"), match.Regex(".*" + s), match.Regex(s + ".+"), match.Regex(s + "[ab]/?"),
		match.Template(strings.TrimRight("/"+strings.Trim(s, "/"), "/") + "/{*}"),
		match.Template(strings.TrimRight("/"+strings.Trim(s, "/"), "/") + "/{**}"),
		match.Template("/{*}/{**}" + s),
	}[r.IntN(14)]
	if r.IntN(5) == 0 {
		if _, err := match.NewStrings(v.Fold()); err == nil {
			v = v.Fold()
		}
	}
	if r.IntN(5) == 0 {
		v = v.Not()
	}
	if _, err := match.NewStrings(v); err != nil {
		return someValue(r)
	}
	return v
}

// TestCoversNeverClaimsTooMuch tries every pair of generated conditions on every
// request that could tell them apart.
func TestCoversNeverClaimsTooMuch(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	paths := texts()
	lines := [][]string{nil}
	for _, a := range paths[:12] {
		lines = append(lines, []string{a})
		for _, b := range paths[:12] {
			lines = append(lines, []string{a, b})
		}
	}
	claimed := 0
	for range 3_000 {
		a, b := someValue(rnd), someValue(rnd)
		if (match.Request{Path: a}).Covers(match.Request{Path: b}) {
			claimed++
			for _, s := range paths {
				require.True(t, !accepts(t, b, s) || accepts(t, a, s), "%s is said to cover %s, not so for %q", a, b, s)
			}
		}
		for _, pair := range [][2]match.Request{
			{{Headers: one(a)}, {Headers: one(b)}},
			{{Without: one(a)}, {Without: one(b)}},
			{{Headers: one(a)}, {Without: one(b)}},
			{{Without: one(a)}, {Headers: one(b)}},
		} {
			if !pair[0].Covers(pair[1]) {
				continue
			}
			claimed++
			wide, err := match.New(pair[0])
			require.NoError(t, err)
			narrow, err := match.New(pair[1])
			require.NoError(t, err)
			for _, l := range lines {
				r := &http.Request{URL: &url.URL{Path: "/"}, Header: http.Header{"X": l}}
				require.True(t, !narrow.Match(r) || wide.Match(r), "%v is said to cover %v, not so for %q", pair[0], pair[1], l)
			}
		}
	}
	require.Greater(t, claimed, 900, "too few claims to be worth the name")
}

func one(v match.Value) []match.Field { return []match.Field{{Name: "x", Value: v}} }

func TestCovers(t *testing.T) {
	path := func(v match.Value) match.Request { return match.Request{Path: v} }
	for _, c := range []struct {
		about string
		a, b  match.Request
		want  bool
	}{
		{"nothing asked covers all", match.Request{}, path(match.Regex("/a|b")), true},
		{"a prefix covers an exact path", path(match.Prefix("/a")), path(match.Exact("/ab")), true},
		{"a prefix covers a longer one", path(match.Prefix("/a")), path(match.Prefix("/a/b")), true},
		{"and not a shorter one", path(match.Prefix("/a/b")), path(match.Prefix("/a")), false},
		{"a prefix covers a regex that begins so", path(match.Prefix("/a")), path(match.Regex("/a/[0-9]+")), true},
		{"a prefix covers a template that begins so", path(match.Prefix("/a")), path(match.Template("/a/{*}")), true},
		{"a regex that is a prefix covers", path(match.Regex("/a.*")), path(match.Prefix("/a/b")), true},
		{"a regex covers a literal", path(match.Regex("/[ab]")), path(match.Exact("/a")), true},
		{"a regex covers itself", path(match.Regex("/[ab]")), path(match.Regex("/[ab]")), true},
		{"segments cover what is below", path(match.Segments("/a")), path(match.Prefix("/a/")), true},
		{"and not what only begins so", path(match.Segments("/a")), path(match.Prefix("/a")), false},
		{"one folded prefix covers the other", path(match.Prefix("/A").Fold()), path(match.Prefix("/ab")), true},
		{"more conditions are narrower", path(match.Prefix("/")), match.Request{Path: match.Prefix("/"), Method: match.Exact("GET")}, true},
		{"fewer are not", match.Request{Path: match.Prefix("/"), Method: match.Exact("GET")}, path(match.Prefix("/")), false},
		{"presence covers a value", match.Request{Headers: one(match.Present())}, match.Request{Headers: one(match.Regex("a|b"))}, true},
		{"header names have no case", match.Request{Headers: []match.Field{{Name: "X"}}}, match.Request{Headers: one(match.Value{})}, true},
		{"another header does not count", match.Request{Headers: []match.Field{{Name: "y"}}}, match.Request{Headers: one(match.Value{})}, false},
		{"query names have", match.Request{Query: []match.Field{{Name: "X"}}}, match.Request{Query: one(match.Value{})}, false},
		{"absence covers absence", match.Request{Without: one(match.Prefix("a"))}, match.Request{Without: one(match.Present())}, true},
		{"a port covers itself", match.Request{Port: 80}, match.Request{Port: 80, Path: match.Exact("/")}, true},
		{"and no other", match.Request{Port: 80}, match.Request{Port: 81}, false},
	} {
		require.Equal(t, c.want, c.a.Covers(c.b), c.about)
	}
}

func TestLiteralAndHead(t *testing.T) {
	for _, c := range []struct {
		value match.Value
		exact bool
		head  string
	}{
		{match.Exact("/a"), true, "/a"},
		{match.Exact("/a").Fold(), false, "/"},
		{match.Exact("/a").Not(), false, ""},
		{match.Regex(`/a\.b`), true, "/a.b"},
		{match.Regex("/a/.*"), false, "/a/"},
		{match.Regex("(?i)/a"), false, ""},
		{match.Regex("("), false, ""},
		{match.Template("/a/b"), true, "/a/b"},
		{match.Template("/a/{*}/b"), false, "/a/"},
		{match.Prefix("/a"), false, "/a"},
		{match.Suffix("/a"), false, ""},
		{match.Value{}, false, ""},
	} {
		s, ok := c.value.Literal()
		require.Equal(t, c.exact, ok, c.value)
		if ok {
			require.Equal(t, c.head, s)
		}
		require.Equal(t, c.head, c.value.Head(), c.value)
	}
}
