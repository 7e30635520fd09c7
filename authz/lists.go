package authz

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
)

// lists adds the tests of a set for a list of values, of which one must fit In and
// none may fit NotIn.
func (t *tests) lists(l *check.List, field string, s Set, read func(*facts) ([]string, bool)) {
	in, notIn := compileSet(l, field, s)
	if in != nil {
		*t = append(*t, func(f *facts) bool {
			list, ok := read(f)
			return ok && slices.ContainsFunc(list, in.Match)
		})
	}
	if notIn != nil {
		*t = append(*t, func(f *facts) bool {
			list, ok := read(f)
			return !ok || !slices.ContainsFunc(list, notIn.Match)
		})
	}
}

// headerLines reads the lines of a header. Host is no header for net/http.
func headerLines(name string) func(*facts) ([]string, bool) {
	switch strings.ToLower(name) {
	case ":authority", "host":
		return func(f *facts) ([]string, bool) { return []string{f.r.Host}, f.r.Host != "" }
	case ":method":
		return func(f *facts) ([]string, bool) { return []string{f.r.Method}, true }
	case ":path":
		return func(f *facts) ([]string, bool) { return []string{f.r.URL.RequestURI()}, true }
	}
	name = http.CanonicalHeaderKey(name)
	return func(f *facts) ([]string, bool) {
		v := f.r.Header[name]
		return v, len(v) > 0
	}
}

// spaceSeparated are the claims that hold several values in one text (RFC 8693
// section 4.2 for scope).
func spaceSeparated(path []string) bool {
	return len(path) == 1 && (path[0] == "scope" || path[0] == "permission")
}

// claim reads a claim that is a text or a list of texts.
func claim(claims map[string]any, path []string) ([]string, bool) {
	var v any = claims
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	switch v := v.(type) {
	case string:
		if spaceSeparated(path) {
			return strings.Fields(v), true
		}
		return []string{v}, true
	case []string:
		return v, true
	case []any:
		var list []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list, true
	}
	return nil, false
}
