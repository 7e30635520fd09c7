package match

import (
	"net/http"
	"strconv"

	"github.com/sidecarless/mesh/internal/check"
)

// A Matcher is one or several compiled descriptions. It may be used by several
// goroutines.
type Matcher struct {
	anyOf [][]condition
}

// New compiles descriptions of which one must hold. Without any the Matcher
// accepts every request. The fields of problems are such as "match.Path" or
// "match.Headers[1].Value", and "match[2].Path" for the third of several.
func New(anyOf ...Request) (*Matcher, error) {
	l := check.List{Prefix: "match"}
	m := &Matcher{anyOf: make([][]condition, len(anyOf))}
	for i := range anyOf {
		var one check.List
		m.anyOf[i] = compileRequest(&anyOf[i], &one)
		at := ""
		if len(anyOf) > 1 {
			at = "[" + strconv.Itoa(i) + "]"
		}
		l.Include(at, one.Err())
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// Validate reports what is wrong with a, as [New] does.
func (a Request) Validate() error {
	if sound(a.Method) && sound(a.Scheme) && sound(a.Host) && sound(a.Path) &&
		allSound(a.Headers, validHeaderName) && allSound(a.Without, validHeaderName) && allSound(a.Query, nil) {
		return nil // without the cost of compiling
	}
	_, err := New(a)
	return err
}

// sound reports whether nothing can be wrong with v.
func sound(v Value) bool { return v.op < opRegex }

func allSound(fields []Field, validName func(string) bool) bool {
	for _, f := range fields {
		if !sound(f.Value) || validName != nil && !validName(f.Name) {
			return false
		}
	}
	return true
}

// Match reports whether r fits.
func (m *Matcher) Match(r *http.Request) bool {
	v := ViewOf(r)
	return m.MatchView(&v)
}

// MatchView is [Matcher.Match] for a request at which others look, too.
func (m *Matcher) MatchView(v *View) bool {
	for _, all := range m.anyOf {
		if firstFailing(all, v) < 0 {
			return true
		}
	}
	return len(m.anyOf) == 0
}

// Strings is a compiled list of values of which one must accept a string. It may
// be used by several goroutines.
type Strings struct {
	anyOf []test
}

// NewStrings compiles values. Without any, no string is accepted.
func NewStrings(anyOf ...Value) (*Strings, error) {
	l := check.List{Prefix: "match"}
	s := &Strings{anyOf: make([]test, len(anyOf))}
	for i, v := range anyOf {
		var reason string
		if s.anyOf[i], reason = compile(v); reason != "" {
			l.Add("["+strconv.Itoa(i)+"]", shown(v.s), "%s", reason)
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Match reports whether one of the values accepts s.
func (s *Strings) Match(str string) bool {
	for i := range s.anyOf {
		if s.anyOf[i].accepts(str) {
			return true
		}
	}
	return false
}
