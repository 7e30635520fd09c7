package rewrite

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/oneline"
)

// Headers is one level of changes to the headers of requests or of answers. Names
// in Remove are removed first, then Set replaces all lines of its names, then Add
// adds lines, or to the line that is there where Envoy keeps all values on one, as
// in User-Agent, Accept and Cache-Control. Values may hold commands; an empty value
// changes nothing. All commands of a level see the headers after Remove and before
// Set.
//
// In requests the name "Host" (or ":authority") in Set and Add is another way to
// write [Config.Host]; the value is taken as it is.
type Headers struct {
	Set, Add http.Header
	Remove   []string
}

// changes are levels of Headers, compiled.
type changes []level

type level struct {
	remove   []string
	values   []value // those to set first
	commands bool
}

type value struct {
	name   string
	add    bool
	joined bool // what is added goes to the line that is there
	template
}

// compileHeaders makes the changes of levels. For requests it also returns the
// host that they set.
func compileHeaders(problems *check.List, field string, levels []Headers, answer bool) (all changes, host string) {
	for i, h := range levels {
		at := fmt.Sprintf("%s[%d]", field, i)
		var l level
		for j, name := range h.Remove {
			if checkName(problems, fmt.Sprintf("%s.Remove[%d]", at, j), name, false) {
				l.remove = append(l.remove, http.CanonicalHeaderKey(name))
			}
		}
		for _, group := range []struct {
			field  string
			header http.Header
			add    bool
		}{{"Set", h.Set, false}, {"Add", h.Add, true}} {
			field := check.Join(at, group.field)
			seen := make(map[string]bool)
			for _, name := range slices.Sorted(maps.Keys(group.header)) {
				field := fmt.Sprintf("%s[%q]", field, name)
				values := group.header[name]
				if !checkName(problems, field, name, !answer) {
					continue
				}
				if isAuthority(name) {
					if host != "" || len(values) > 1 {
						problems.Add(field, nil, "the host can be set once only")
					}
					host = first(values)
					continue
				}
				canonical := http.CanonicalHeaderKey(name)
				if seen[canonical] {
					problems.Add(field, nil, "is there in another spelling")
				}
				seen[canonical] = true
				l.addValues(problems, field, canonical, values, group.add, answer)
			}
		}
		if len(l.remove)+len(l.values) > 0 {
			all = append(all, l)
		}
	}
	return all, host
}

// addValues compiles the values of one name. What is empty is left out, and the
// first value of a set makes room for the others.
func (l *level) addValues(problems *check.List, field, name string, values []string, add, answer bool) {
	for _, v := range values {
		if i := strings.IndexFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }); i >= 0 {
			problems.Add(field, v, "must not hold control characters")
			continue
		}
		t, err := parseTemplate(v)
		if err != nil {
			problems.Add(field, v, "%v", err)
			continue
		}
		if v == "" {
			continue
		}
		joined := add && (answer && oneline.InAnswer(name) || !answer && oneline.InRequest(name))
		l.values = append(l.values, value{name, add, joined, t})
		l.commands = l.commands || t.parts != nil
		add = true
	}
}

// checkName reports a name that no header can have, or that cannot be changed.
func checkName(problems *check.List, field, name string, authority bool) bool {
	switch {
	case isAuthority(name):
		if !authority {
			problems.Add(field, name, "can only be set, and only in requests")
		}
		return authority
	case !isToken(name):
		problems.Add(field, name, "cannot be the name of a header")
		return false
	}
	return true
}

func isAuthority(name string) bool {
	return strings.EqualFold(name, "Host") || strings.EqualFold(name, ":authority")
}

// isToken reports whether s can be the name of a header (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9') && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// removes reports whether a level takes name away.
func (c changes) removes(name string) bool {
	return slices.ContainsFunc(c, func(l level) bool { return slices.Contains(l.remove, name) })
}

// apply changes h, the headers of what s shows.
func (c changes) apply(h http.Header, s scope) {
	for i := range c {
		c[i].apply(h, s)
	}
}

func (l *level) apply(h http.Header, s scope) {
	for _, name := range l.remove {
		delete(h, name)
	}
	var evaluated []string
	if l.commands {
		s := s // only commands need it on the heap
		evaluated = make([]string, len(l.values))
		for i := range l.values {
			evaluated[i] = l.values[i].eval(&s)
		}
	}
	for i := range l.values {
		v := &l.values[i]
		text := v.text
		if evaluated != nil {
			text = evaluated[i]
		}
		switch {
		case text == "":
		case v.joined:
			h[v.name] = oneline.Append(h[v.name], text)
		case v.add:
			h[v.name] = append(h[v.name], text)
		default:
			h[v.name] = []string{text}
		}
	}
}
