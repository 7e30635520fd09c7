package rewrite

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
)

// maxRegex bounds an expression as package match does.
const maxRegex = 16 << 10

// A pathRule makes a path of another.
type pathRule struct {
	prefix, to string
	segments   bool
	regex      *regexp.Regexp // nil unless the rule is one of these
	substitute []piece
}

// A piece of a substitution is a text, or a group if that is not negative.
type piece struct {
	text  string
	group int
}

// compilePath is the rule of c, nil for none.
func compilePath(problems *check.List, c *Config) *pathRule {
	if c.Regex != "" {
		if c.Path != "" || c.Prefix != "" || c.Segments {
			problems.Add("Regex", nil, "cannot be used together with Path, Prefix or Segments")
		}
		return compileRegex(problems, c.Regex, c.Substitute)
	}
	if c.Substitute != "" {
		problems.Add("Substitute", c.Substitute, "has no effect without Regex")
	}
	if strings.Contains(c.Path, "#") {
		problems.Add("Path", c.Path, "must not hold #: a request has no fragment")
	}
	return compilePrefix(problems, c.Prefix, c.Path, c.Segments)
}

// compilePrefix is the rule that puts path in the place of prefix.
func compilePrefix(problems *check.List, prefix, path string, segments bool) *pathRule {
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		problems.Add("Path", path, "must not hold spaces or control characters")
	}
	switch {
	case segments:
		if !strings.HasPrefix(prefix, "/") {
			problems.Add("Prefix", prefix, "must begin with a slash to be taken by segments")
		}
		if path != "" && (path[0] != '/' || strings.HasPrefix(path, "//")) {
			problems.Add("Path", path, "must begin with one slash to be taken by segments")
		}
	case path == "":
		if prefix != "" {
			problems.Add("Prefix", prefix, "has no effect without Path")
		}
		return nil
	}
	return &pathRule{prefix: prefix, to: path, segments: segments}
}

func compileRegex(problems *check.List, expr, substitute string) *pathRule {
	if len(expr) > maxRegex {
		problems.Add("Regex", nil, "may have %d bytes at most", maxRegex)
		return nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		problems.Add("Regex", expr, "is no regular expression of RE2: %v", err)
		return nil
	}
	pieces, err := parseSubstitute(substitute, re.NumSubexp())
	if err != nil {
		problems.Add("Substitute", substitute, "%v", err)
		return nil
	}
	return &pathRule{regex: re, substitute: pieces}
}

// parseSubstitute reads a substitution of RE2: \0 is the whole match, \1 to \9
// are groups and \\ is a backslash.
func parseSubstitute(s string, groups int) (pieces []piece, err error) {
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			text.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i == len(s):
			return nil, fmt.Errorf(`ends in a lone backslash; write \\ for one`)
		case s[i] == '\\':
			text.WriteByte('\\')
		case s[i] < '0' || s[i] > '9':
			return nil, fmt.Errorf(`has \%c, which is neither a group nor \\`, s[i])
		default:
			group := int(s[i] - '0')
			if group > groups {
				return nil, fmt.Errorf(`has \%d, and the expression has %d groups`, group, groups)
			}
			pieces = append(pieces, piece{text.String(), -1}, piece{group: group})
			text.Reset()
		}
	}
	return append(pieces, piece{text.String(), -1}), nil
}

// rewrite is what path becomes.
func (p *pathRule) rewrite(path string) string {
	switch {
	case p.regex != nil:
		return p.replaceAll(path)
	case p.segments:
		return p.replaceSegments(path)
	case p.prefix == "":
		return p.to
	case hasPrefixFold(path, p.prefix):
		return p.to + path[len(p.prefix):]
	}
	return path
}

// replaceSegments never yields two slashes where the new prefix meets the rest.
func (p *pathRule) replaceSegments(path string) string {
	prefix := strings.TrimRight(p.prefix, "/")
	if !hasPrefixFold(path, prefix) {
		return path
	}
	rest := path[len(prefix):]
	if rest != "" && rest[0] != '/' {
		return path
	}
	if rest != "" {
		rest = "/" + strings.TrimLeft(rest, "/")
	}
	if path = strings.TrimRight(p.to, "/") + rest; path == "" {
		return "/"
	}
	return path
}

// replaceAll replaces every match, as RE2's GlobalReplace does.
func (p *pathRule) replaceAll(path string) string {
	matches := p.regex.FindAllStringSubmatchIndex(path, -1)
	if matches == nil {
		return path
	}
	var b strings.Builder
	end := 0
	for _, m := range matches {
		b.WriteString(path[end:m[0]])
		for _, piece := range p.substitute {
			if piece.group < 0 {
				b.WriteString(piece.text)
			} else if from := m[2*piece.group]; from >= 0 {
				b.WriteString(path[from:m[2*piece.group+1]])
			}
		}
		end = m[1]
	}
	b.WriteString(path[end:])
	return b.String()
}

// hasPrefixFold ignores the case of ASCII letters: a route may have matched
// without regard to it, and then the prefix has the same length in any case.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if a, b := s[i], prefix[i]; a != b {
			if a|0x20 != b|0x20 || a|0x20 < 'a' || a|0x20 > 'z' {
				return false
			}
		}
	}
	return true
}
