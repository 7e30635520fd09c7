package match

// Literal is the one string that v accepts, if there is only one: that of an
// Exact, and of an expression or template without operators.
func (v Value) Literal() (s string, ok bool) {
	if v.not || v.fold {
		return "", false
	}
	t, reason := compile(v)
	if reason != "" {
		return "", false
	}
	switch t.kind {
	case kindExact:
		return t.head, true
	case kindTemplate:
		if len(t.tmpl.texts) == 1 && !t.tmpl.rest {
			return t.head, true
		}
	}
	return "", false
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
	for i := range len(t.head) {
		if 'a' <= t.head[i] && t.head[i] <= 'z' {
			return t.head[:i]
		}
	}
	return t.head
}
