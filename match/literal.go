package match

// Literal is the one string that v accepts, if there is only one: that of an
// Exact, and of an expression or template without operators.
func (v Value) Literal() (s string, ok bool) {
	switch {
	case v.not || v.fold:
		return "", false
	case v.op == opExact:
		return v.s, true
	case v.op != opRegex && v.op != opTemplate:
		return "", false
	}
	t, reason := compile(v)
	if reason != "" {
		return "", false
	}
	return t.head, t.kind == kindExact
}

// Head is a text that all strings accepted by v begin with; empty if none is
// known.
func (v Value) Head() string {
	t, reason := compile(v)
	if reason != "" || t.not {
		return ""
	}
	if !t.fold {
		return t.head
	}
	return t.head[:caseless(t.head)]
}
