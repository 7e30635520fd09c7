package match_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/match"
)

// envoyString is Envoy's StringMatcher.
type envoyString struct {
	Exact, Prefix, Suffix, Contains *string
	SafeRegex                       *struct{ Regex string } `json:"safe_regex"`
	IgnoreCase                      bool                    `json:"ignore_case"`
}

func (s *envoyString) value(t *testing.T) match.Value {
	var v match.Value
	switch {
	case s.Exact != nil:
		v = match.Exact(*s.Exact)
	case s.Prefix != nil:
		v = match.Prefix(*s.Prefix)
	case s.Suffix != nil:
		v = match.Suffix(*s.Suffix)
	case s.Contains != nil:
		expr := ".*" + *s.Contains + ".*"
		if s.IgnoreCase {
			expr = "(?i)" + expr
		}
		return match.Regex(expr)
	case s.SafeRegex != nil:
		return match.Regex(s.SafeRegex.Regex)
	default:
		t.Fatalf("a string matcher of an unknown kind: %+v", s)
	}
	if s.IgnoreCase {
		v = v.Fold()
	}
	return v
}

// envoyField is Envoy's HeaderMatcher and QueryParameterMatcher.
type envoyField struct {
	Name    string
	String  *envoyString    `json:"string_match"`
	Present *bool           `json:"present_match"`
	Range   json.RawMessage `json:"range_match"`
	Invert  bool            `json:"invert_match"`
	Missing bool            `json:"treat_missing_header_as_empty"`
}

// requests says in our words what e asks of a header.
func (e *envoyField) requests(t *testing.T) []match.Request {
	headers := func(v match.Value) match.Request {
		return match.Request{Headers: []match.Field{{Name: e.Name, Value: v}}}
	}
	without := func(v match.Value) match.Request {
		return match.Request{Without: []match.Field{{Name: e.Name, Value: v}}}
	}
	if e.String == nil {
		there := (e.Present == nil || *e.Present) != e.Invert
		switch {
		case e.Missing && there:
			return nil // a header that is never missing
		case there:
			return []match.Request{headers(match.Present())}
		}
		return []match.Request{headers(match.Present().Not())}
	}
	v := e.String.value(t)
	switch {
	case e.Missing && e.Invert:
		return []match.Request{without(v)}
	case e.Missing:
		all := []match.Request{headers(v)}
		if accepts(t, v, "") {
			all = append(all, without(match.Present()))
		}
		return all
	case e.Invert:
		return []match.Request{headers(v.Not())}
	}
	return []match.Request{headers(v)}
}

func accepts(t *testing.T, v match.Value, s string) bool {
	t.Helper()
	m, err := match.NewStrings(v)
	require.NoError(t, err)
	return m.Match(s)
}

func fits(t *testing.T, r *http.Request, anyOf ...match.Request) bool {
	t.Helper()
	m, err := match.New(anyOf...)
	require.NoError(t, err)
	return m.Match(r)
}

// wire is a request as a server reads it.
func wire(t *testing.T, target string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: host\r\n\r\n")))
	require.NoError(t, err)
	return r
}

func TestHeadersAreMatchedAsByEnvoy(t *testing.T) {
	type vector struct {
		Match   bool
		Matcher envoyField
		Values  []string
	}
	ranges := 0
	for _, c := range corpus.Cases[vector](t, "envoy/header_match") {
		if c.Matcher.Range != nil {
			ranges++ // a range of numbers: neither Istio nor the Gateway API can ask for one
			continue
		}
		r, err := http.NewRequest("GET", "http://host/", nil)
		require.NoError(t, err)
		for _, value := range c.Values {
			r.Header.Add("x-m", value)
		}
		require.Equal(t, c.Match, fits(t, r, c.Matcher.requests(t)...), "%+v %+v on %q", c.Matcher, c.Matcher.String, c.Values)
	}
	require.Equal(t, 58, ranges, "vectors left out")
}

func TestQueriesAreMatchedAsByEnvoy(t *testing.T) {
	type vector struct {
		Match    bool
		Rejected bool
		Matcher  envoyField
		Path     string
	}
	for _, c := range corpus.Cases[vector](t, "envoy/query_match") {
		if c.Rejected {
			_, ok := match.NormalizePath(c.Path, match.PathNone)
			require.False(t, ok, c.Path)
			continue
		}
		v := match.Present()
		switch {
		case c.Matcher.String != nil:
			v = c.Matcher.String.value(t)
		case c.Matcher.Present != nil && !*c.Matcher.Present:
			v = v.Not()
		}
		r, err := http.NewRequest("GET", "http://host"+c.Path, nil)
		require.NoError(t, err)
		require.Equal(t, c.Match, fits(t, r, match.Request{Query: []match.Field{{Name: c.Matcher.Name, Value: v}}}), "%+v on %s", c.Matcher, c.Path)
	}
}

func TestPathsAreMatchedAsByEnvoy(t *testing.T) {
	type vector struct {
		Match   bool
		Matcher struct {
			Path, Prefix  *string
			Segments      *string                 `json:"path_separated_prefix"`
			Regex         *struct{ Regex string } `json:"safe_regex"`
			CaseSensitive *bool                   `json:"case_sensitive"`
			Policy        *struct {
				Config struct {
					Template string `json:"path_template"`
				} `json:"typed_config"`
			} `json:"path_match_policy"`
		}
		Path string
	}
	within := 0
	for _, c := range corpus.Cases[vector](t, "envoy/path_match") {
		m := c.Matcher
		var v match.Value
		switch {
		case m.Path != nil:
			v = match.Exact(*m.Path)
		case m.Prefix != nil:
			v = match.Prefix(*m.Prefix)
		case m.Segments != nil:
			v = match.Segments(*m.Segments)
		case m.Regex != nil:
			v = match.Regex(m.Regex.Regex)
		case m.Policy != nil:
			pattern := strings.NewReplacer("{x}", "{*}", "**", "{**}", "*", "{*}").Replace(m.Policy.Config.Template)
			v = match.Template(strings.ReplaceAll(pattern, "{x={*}}", "{x}"))
		default:
			t.Fatalf("a path matcher of an unknown kind: %+v", m)
		}
		if m.CaseSensitive != nil && !*m.CaseSensitive && m.Regex == nil {
			v = v.Fold() // which does not reach a regex, in Envoy
		}
		if _, err := match.New(match.Request{Path: v}); m.Policy != nil && err != nil {
			within++ // a wildcard for a part of a segment, which Istio's templates do not have
			continue
		}
		for side, r := range bothSides(t, c.Path) {
			require.Equal(t, c.Match, fits(t, r, match.Request{Path: v}), "%s on %s (%s)", v, c.Path, side)
		}
	}
	require.Equal(t, 12, within, "vectors left out")
}

// bothSides is a request with this target as a client sends and as a handler
// gets it.
func bothSides(t *testing.T, target string) map[string]*http.Request {
	t.Helper()
	client, err := http.NewRequest("GET", "http://host"+target, nil)
	require.NoError(t, err)
	return map[string]*http.Request{"client": client, "server": wire(t, target)}
}

func TestPathsAreNormalizedAsByEnvoy(t *testing.T) {
	options := map[string]match.PathOptions{
		"none":                 match.PathNone,
		"normalize":            match.ResolveDots,
		"merge":                match.MergeSlashes,
		"normalize+merge":      match.ResolveDots | match.MergeSlashes,
		"istio-BASE":           match.PathBase,
		"reject-escaped":       match.ResolveDots | match.MergeSlashes | match.RejectSlashes,
		"redirect-escaped":     match.ResolveDots | match.MergeSlashes | match.DecodeSlashes,
		"forward-escaped":      match.PathDecodeAndMergeSlashes,
		"forward-escaped-only": match.DecodeSlashes,
	}
	for _, c := range corpus.Cases[map[string]any](t, "envoy/path_normalization") {
		path := c["path"].(string)
		for name, do := range options {
			got, ok := match.NormalizePath(path, do)
			switch want := c[name].(type) {
			case string:
				require.True(t, ok, "%s of %q", name, path)
				require.Equal(t, want, got, "%s of %q", name, path)
			case map[string]any:
				if where, redirect := want["location"]; redirect {
					require.True(t, ok)
					require.Equal(t, where, got, "%s of %q", name, path)
					continue
				}
				require.EqualValues(t, 400, want["status"])
				require.False(t, ok, "%s of %q is %q", name, path, got)
			}
		}
	}
}
