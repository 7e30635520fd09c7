package match

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// maxRegex bounds the length of an expression, so that reading one, also a wrong
// one, takes milliseconds. Istio allows 1 KiB.
const maxRegex = 16 << 10

// compileRegex makes t the test for an expression, or says what is wrong with it.
func (t *test) compileRegex(expr string) (reason string) {
	if len(expr) > maxRegex {
		return "a regular expression may have " + strconv.Itoa(maxRegex) + " bytes at most"
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return wrongRegex(err)
	}
	parts := flatten(nil, tree)
	t.head, parts = literalHead(parts)
	t.min = len(t.head)
	if len(parts) == 0 {
		t.kind = kindExact
		return ""
	}
	var rest []*syntax.Regexp
	t.tail, rest = literalTail(parts)
	t.min += len(t.tail)
	if len(rest) == 1 && anything(rest[0]) {
		t.kind = kindAffix
		if rest[0].Op == syntax.OpPlus {
			t.min++
		}
		return ""
	}
	// The text is taken from the tree: around the expression itself a group could
	// be closed by it, as by `a\Q`.
	t.kind = kindRegex
	t.re, err = regexp.Compile(`\A(?:` + tree.String() + `)\z`)
	if err != nil {
		return wrongRegex(err)
	}
	return ""
}

// wrongRegex is the error of package regexp, without repeating a long expression.
func wrongRegex(err error) string {
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return e.Code.String() + ": " + strconv.Quote(shown(e.Expr))
	}
	return err.Error()
}

// flatten appends the parts of re that must match one after the other. Groups
// are dissolved. Anchors of the whole text at the very ends say nothing, since
// the whole text is matched anyhow.
func flatten(parts []*syntax.Regexp, re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			parts = flatten(parts, sub)
		}
		return parts
	case syntax.OpCapture:
		return flatten(parts, re.Sub[0])
	case syntax.OpEmptyMatch:
		return parts
	}
	return append(parts, re)
}

// literalHead cuts the literal text off that parts begin with.
func literalHead(parts []*syntax.Regexp) (string, []*syntax.Regexp) {
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		parts = parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		parts = parts[:n-1]
	}
	var b strings.Builder
	for len(parts) > 0 && literal(parts[0]) {
		b.WriteString(string(parts[0].Rune))
		parts = parts[1:]
	}
	return b.String(), parts
}

// literalTail is [literalHead] for the end.
func literalTail(parts []*syntax.Regexp) (string, []*syntax.Regexp) {
	tail := ""
	for n := len(parts); n > 0 && literal(parts[n-1]); n-- {
		tail = string(parts[n-1].Rune) + tail
		parts = parts[:n-1]
	}
	return tail, parts
}

// literal reports whether re is one text in one spelling.
func literal(re *syntax.Regexp) bool {
	return re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0
}

// anything reports whether re is .* or .+ .
func anything(re *syntax.Regexp) bool {
	return (re.Op == syntax.OpStar || re.Op == syntax.OpPlus) &&
		(re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar)
}
