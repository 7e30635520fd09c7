package match

import "strings"

// A template is a compiled path template: the texts between its segments {*}.
// The text before the first one is tested as the head of its [test].
type template struct {
	texts []string
	rest  bool   // {**} follows the last text
	tail  string // what follows {**}
}

const (
	oneSegment = "{*}"
	anyRest    = "{**}"
)

// compileTemplate makes t the test for a pattern, or says what is wrong with it.
func (t *test) compileTemplate(pattern string) (reason string) {
	if !strings.HasPrefix(pattern, "/") {
		return "a template begins with a slash"
	}
	t.kind = kindTemplate
	text := 0 // where the text begins that leads to the next wildcard
	for at := 0; at < len(pattern); {
		begin := at + 1
		at = len(pattern)
		if n := strings.IndexByte(pattern[begin:], '/'); n >= 0 {
			at = begin + n
		}
		switch segment := pattern[begin:at]; {
		case segment == oneSegment && t.tmpl.rest:
			return "no {*} may follow {**}"
		case segment == anyRest && t.tmpl.rest:
			return "a template may have one {**}"
		case segment == oneSegment || segment == anyRest:
			t.tmpl.texts = append(t.tmpl.texts, pattern[text:begin])
			t.tmpl.rest = segment == anyRest
			t.min -= len(segment)
			if segment == oneSegment {
				t.min++
			}
			text = at
		case strings.ContainsAny(segment, "{}"):
			return "a segment of a template is text, {*} or {**}"
		}
	}
	t.min += len(pattern)
	if t.tmpl.rest {
		t.tmpl.tail = pattern[text:]
	} else {
		t.tmpl.texts = append(t.tmpl.texts, pattern[text:])
	}
	t.head, t.tail = t.tmpl.texts[0], t.tmpl.tail
	if len(t.tmpl.texts) == 1 && !t.tmpl.rest {
		t.kind = kindExact
	}
	return ""
}

// match reports whether path fits, whose head and length have been tested.
func (t *template) match(path string) bool {
	path = path[len(t.texts[0]):]
	for _, text := range t.texts[1:] {
		n := strings.IndexByte(path, '/')
		if n < 0 {
			n = len(path)
		}
		if n == 0 || !strings.HasPrefix(path[n:], text) || !isPath(path[:n]) {
			return false
		}
		path = path[n+len(text):]
	}
	if t.rest {
		rest, ok := strings.CutSuffix(path, t.tail)
		return ok && isPath(rest)
	}
	return path == ""
}

// isPath reports whether s is made of the characters of segments (pchar of RFC 3986
// section 3.3) and slashes. Envoy's wildcards stand for no others.
func isPath(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; ('a' > c || c > 'z') && ('0' > s[i] || s[i] > '9') && strings.IndexByte("/-._~%!$&'()*+,;=:@", s[i]) < 0 {
			return false
		}
	}
	return true
}
