package match

import "strings"

// Literal is the one string that v accepts, if there is only one: that of an
// Exact, and of an expression or template without operators.
func (v Value) Literal() (s string, ok bool) {
	switch {
	case v.not || v.fold:
		return "", false
	case v.op == opExact, v.op == opTemplate && strings.IndexByte(v.s, '{') < 0:
		return v.s, true
	case v.op == opRegex:
		if t, reason := compile(v); reason == "" && t.kind == kindExact {
			return t.head, true
		}
	}
	return "", false
}

// Head is a text that all strings accepted by v begin with; empty if none is
// known.
func (v Value) Head() string {
	t, reason := compile(v)
	switch {
	case reason != "" || t.not:
		return ""
	case t.fold:
		return t.head[:caseless(t.head)]
	}
	return t.head
}
