package match

import (
	"regexp"
	"strings"
)

// A test is a compiled [Value]. Most kinds come down to a beginning, an end and
// a least length.
type test struct {
	kind kind
	fold bool
	not  bool
	head string // what every accepted string begins with; in lower case if fold
	tail string // what every accepted string ends with
	min  int    // the length of the shortest accepted string, or less
	re   *regexp.Regexp
	tmpl template
}

type kind uint8

const (
	kindPresent  kind = iota // there at all
	kindExact                // equal to head
	kindAffix                // head, tail and min say all
	kindSegments             // head, and then nothing or a slash
	kindRegex
	kindTemplate
)

// compile is the test that v stands for, or the reason why v is none.
func compile(v Value) (t test, reason string) {
	t.not = v.not
	switch v.op {
	case opAny, opPresent:
		return t, ""
	case opExact:
		t.kind, t.head, t.min = kindExact, v.s, len(v.s)
	case opPrefix:
		t.kind, t.head, t.min = kindAffix, v.s, len(v.s)
	case opSuffix:
		t.kind, t.tail, t.min = kindAffix, v.s, len(v.s)
	case opSegments:
		t.kind, t.head = kindSegments, strings.TrimSuffix(v.s, "/")
		t.min = len(t.head)
	case opRegex:
		if v.fold {
			return t, "a regular expression has its own way to ignore case: write (?i)"
		}
		return t, t.compileRegex(v.s)
	case opTemplate:
		if v.fold {
			return t, "a template cannot ignore case"
		}
		return t, t.compileTemplate(v.s)
	}
	if v.fold {
		t.fold, t.head, t.tail = true, lower(t.head), lower(t.tail)
	}
	return t, ""
}

// accepts reports whether the test holds for s.
func (t *test) accepts(s string) bool { return t.hit(s) != t.not }

// hit is accepts without regard to Not.
func (t *test) hit(s string) bool {
	if t.kind == kindPresent {
		return true
	}
	if len(s) < t.min || !t.begins(s) || !t.ends(s) {
		return false
	}
	switch t.kind {
	case kindExact:
		return len(s) == len(t.head)
	case kindSegments:
		return len(s) == len(t.head) || s[len(t.head)] == '/'
	case kindRegex:
		return t.re.MatchString(s)
	case kindTemplate:
		return t.tmpl.match(s)
	}
	return true
}

// begins reports whether s, which is no shorter than head, begins with it.
func (t *test) begins(s string) bool {
	if t.fold {
		return equalFold(s[:len(t.head)], t.head)
	}
	return s[:len(t.head)] == t.head
}

// ends is [test.begins] for the end.
func (t *test) ends(s string) bool {
	if t.fold {
		return equalFold(s[len(s)-len(t.tail):], t.tail)
	}
	return s[len(s)-len(t.tail):] == t.tail
}

// equalFold reports whether s in lower case is t, which is in lower case and of
// the same length. Only ASCII letters have a case, as in Envoy.
func equalFold(s, t string) bool {
	for i := range len(s) {
		if lowerByte(s[i]) != t[i] {
			return false
		}
	}
	return true
}

// lower is s with its ASCII letters in lower case.
func lower(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lowerByte(b[i])
	}
	return string(b)
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
