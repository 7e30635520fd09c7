package lb

import (
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh/internal/check"
)

func newHeaderHash(name string, rewrite HashRewrite, l *check.List) hashReader {
	pseudo := strings.ToLower(name)
	switch pseudo {
	case "host":
		pseudo = ":authority"
	case ":path", ":authority", ":method", ":scheme":
	default:
		pseudo = ""
		if !validToken(name) {
			l.Add("Header", name, "is no name of a header")
		}
	}
	regex, substitute := rewrite.compile(l)
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case pseudo != "":
		return pseudoHash{pseudo, regex, substitute}
	case regex != nil:
		return rewrittenHash{name, regex, substitute}
	}
	return headerHash(name)
}

// headerHash hashes the values of the header of this name, which is canonical.
type headerHash string

func (name headerHash) read(r *http.Request, _ uint64) (uint64, bool, string) {
	values := r.Header[string(name)]
	switch len(values) {
	case 0:
		return 0, false, ""
	case 1:
		return xxhash.Sum64String(textproto.TrimString(values[0])), true, ""
	}
	var space [8]string
	sorted := append(space[:0], values...)
	for i, v := range sorted {
		sorted[i] = textproto.TrimString(v)
	}
	return hashSorted(sorted), true, ""
}

// hashSorted sorts the values and hashes each with the hash of those before it
// as the seed.
func hashSorted(values []string) (h uint64) {
	slices.Sort(values)
	for _, v := range values {
		h = seededHash(v, h)
	}
	return h
}

// rewrittenHash hashes the values of a header, each rewritten before.
type rewrittenHash struct {
	name       string
	regex      *regexp.Regexp
	substitute string
}

func (h rewrittenHash) read(r *http.Request, _ uint64) (uint64, bool, string) {
	values := r.Header[h.name]
	if len(values) == 0 {
		return 0, false, ""
	}
	rewritten := make([]string, len(values))
	for i, v := range values {
		rewritten[i] = h.regex.ReplaceAllString(textproto.TrimString(v), h.substitute)
	}
	return hashSorted(rewritten), true, ""
}

// pseudoHash hashes a part of the request that HTTP/2 sends as a header.
type pseudoHash struct {
	name       string
	regex      *regexp.Regexp // nil: not rewritten
	substitute string
}

func (h pseudoHash) read(r *http.Request, _ uint64) (uint64, bool, string) {
	var v string
	switch h.name {
	case ":path":
		v = r.URL.RequestURI()
	case ":method":
		if v = r.Method; v == "" {
			v = http.MethodGet
		}
	case ":scheme":
		v = r.URL.Scheme
	default:
		if v = r.Host; v == "" {
			v = r.URL.Host
		}
	}
	if h.regex != nil {
		v = h.regex.ReplaceAllString(v, h.substitute)
	}
	return xxhash.Sum64String(v), true, ""
}

// compile is the expression, and the substitute in regexp's syntax; nil for the
// zero value.
func (w HashRewrite) compile(l *check.List) (*regexp.Regexp, string) {
	if w == (HashRewrite{}) {
		return nil, ""
	}
	if w.Regex == "" {
		l.Add("Rewrite.Regex", w.Regex, "must not be empty where there is a substitute")
		return nil, ""
	}
	regex, err := regexp.Compile(w.Regex)
	if err != nil {
		l.Add("Rewrite.Regex", w.Regex, "%v", err)
		return nil, ""
	}
	var b strings.Builder
	for i := 0; i < len(w.Substitute); i++ {
		switch c := w.Substitute[i]; c {
		case '$':
			b.WriteString("$$")
		case '\\':
			i++
			var next byte
			if i < len(w.Substitute) {
				next = w.Substitute[i]
			}
			switch {
			case next == '\\':
				b.WriteByte('\\')
			case '0' <= next && next <= '9' && int(next-'0') <= regex.NumSubexp():
				b.WriteString("${" + string(next) + "}")
			default:
				l.Add("Rewrite.Substitute", w.Substitute, `has a backslash without a group of the expression or a backslash behind it`)
				return nil, ""
			}
		default:
			b.WriteByte(c)
		}
	}
	return regex, b.String()
}

// validToken reports whether s is a token of HTTP (RFC 9110, section 5.6.2), as
// names of headers and cookies are.
func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
