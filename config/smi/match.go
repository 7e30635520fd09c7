package smi

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// A RouteGroup is an HTTPRouteGroup: descriptions of requests.
type RouteGroup struct {
	Namespace, Name string
	Matches         []Match

	File string
	Line int
}

// A Match describes requests by all of what it sets.
type Match struct {
	Group, Name string
	PathRegex   string            // the path as sent begins with a match of it; empty is any path
	Methods     []string          // one of these; none or "*" is any method
	Headers     map[string]string // the value matches the expression as a whole; several lines are joined by commas

	path    *match.Strings // nil is any
	methods []string       // nil is any
	headers []header
}

type header struct {
	name  string // as net/http spells it
	value *match.Strings
}

// Accepts reports whether r fits the description, which is one that was read.
func (m *Match) Accepts(r *http.Request) bool {
	v := match.ViewOf(r)
	if m.methods != nil && !slices.Contains(m.methods, v.Method()) || m.path != nil && !m.path.Match(v.Path()) {
		return false
	}
	for i := range m.headers {
		h := &m.headers[i]
		value, ok := joined(r, h.name)
		if !ok || !h.value.Match(value) {
			return false
		}
	}
	return true
}

// joined is the value of a header that may come on several lines.
func joined(r *http.Request, name string) (value string, ok bool) {
	if name == "Host" {
		v := match.ViewOf(r)
		return v.Host(), true
	}
	switch lines := r.Header[name]; len(lines) {
	case 0:
		return "", false
	case 1:
		return lines[0], true
	default:
		return strings.Join(lines, ","), true
	}
}

// compile makes m ready. It returns the field that is wrong, if one is.
func (m *Match) compile() (field string, err error) {
	m.path, m.methods, m.headers = nil, nil, nil
	if m.PathRegex != "" {
		// The expression is anchored at the beginning of the path only.
		if m.path, err = compiled(m.PathRegex, "(?:"+m.PathRegex+")(?s:.*)"); err != nil {
			return "pathRegex", err
		}
	}
	if len(m.Methods) > 0 && !slices.Contains(m.Methods, "*") {
		m.methods = m.Methods
	}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		expr := m.Headers[name]
		value, err := compiled(expr, expr)
		if err != nil {
			return "headers." + name, err
		}
		m.headers = append(m.headers, header{textproto.CanonicalMIMEHeaderKey(name), value})
	}
	return "", nil
}

// maxRegex bounds a regular expression, in bytes.
const maxRegex = 1024

// compiled is the expression whole, made of one that was written.
func compiled(written, whole string) (*match.Strings, error) {
	if len(written) > maxRegex {
		return nil, fmt.Errorf("is %d bytes long, and at most %d are allowed", len(written), maxRegex)
	}
	if _, err := regexp.Compile(written); err != nil {
		return nil, fmt.Errorf("is no regular expression of RE2: %w", err)
	}
	return match.NewStrings(match.Regex(whole))
}
