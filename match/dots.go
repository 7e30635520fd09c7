package match

import (
	"bytes"
	"strings"
)

// resolve makes a path canonical as Envoy does, which leaves it to Chromium's URL
// library: escapes of unreserved characters (RFC 3986 section 2.3) are decoded,
// backslashes are slashes, characters that a path may not hold are escaped, and
// "." and ".." are resolved (section 5.2.4), also those with a parameter. It fails
// on an escaped NUL. The path must be sendable.
func resolve(path string) (string, bool) {
	if resolved(path) {
		return path, true
	}
	path = bareDots(path)
	b := make([]byte, 0, len(path)+8)
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '\\':
			b = append(b, '/')
		case strings.IndexByte(notInPaths, c) >= 0:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		case c == '%':
			decoded := unescape(path[i:])
			if decoded == 0 {
				return "", false
			}
			if unreserved(decoded) {
				b = append(b, decoded)
			} else {
				b = append(b, path[i:i+3]...)
			}
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(removeDots(b)), true
}

// resolved reports whether resolve has nothing to do. It may be wrong to say no.
func resolved(path string) bool {
	return !strings.ContainsAny(path, `%\`+notInPaths) && !strings.Contains(path, "/.")
}

// bareDots takes the parameters away from dots, as of "..;x", which servers that
// know parameters would resolve. Envoy looks for them before anything is decoded:
// "%2e%2e;x" becomes a name, and a backslash is no slash yet.
func bareDots(path string) string {
	if !strings.Contains(path, "/.;") && !strings.Contains(path, "/..;") {
		return path
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(path[1:], "/") {
		if dots, _, _ := strings.Cut(segment, ";"); dots == "." || dots == ".." {
			segment = dots
		}
		b.WriteByte('/')
		b.WriteString(segment)
	}
	return b.String()
}

// removeDots resolves the segments "." and ".." in place. Nothing is above the
// first segment.
func removeDots(path []byte) []byte {
	out := path[:0]
	for rest := path; len(rest) > 0; {
		n := bytes.IndexByte(rest[1:], '/') + 1
		if n == 0 {
			n = len(rest)
		}
		segment := rest[:n]
		rest = rest[n:]
		dots := len(segment) <= 3 && len(bytes.Trim(segment[1:], ".")) == 0 && len(segment) > 1
		if !dots {
			out = append(out, segment...)
			continue
		}
		if len(segment) == 3 {
			out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
		}
		if len(rest) == 0 {
			out = append(out, '/')
		}
	}
	return out
}

const (
	notInPaths = "\"<>^`{|}"
	upperHex   = "0123456789ABCDEF"
)

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// unescape is the byte that the escape at the beginning of s stands for.
func unescape(s string) byte { return unhex(s[1])<<4 | unhex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
