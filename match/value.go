package match

import "strconv"

// A Value describes a string. The zero Value accepts any. Values are plain and
// comparable; what is wrong with one is reported by the constructor that gets it.
type Value struct {
	s    string
	op   op
	fold bool
	not  bool
}

type op uint8

const (
	opAny op = iota
	opPresent
	opExact
	opPrefix
	opSuffix
	opSegments
	opRegex
	opTemplate
)

// Exact accepts s alone.
func Exact(s string) Value { return Value{s: s, op: opExact} }

// Prefix accepts what begins with s, byte for byte: Prefix("/v1") accepts
// "/v10". See [Segments] for whole segments of a path.
func Prefix(s string) Value { return Value{s: s, op: opPrefix} }

// Suffix accepts what ends with s.
func Suffix(s string) Value { return Value{s: s, op: opSuffix} }

// Present accepts every string, the empty one, too. In a [Field] it asks that the
// header or parameter is there; Present().Not() there asks that it is not.
func Present() Value { return Value{op: opPresent} }

// Segments accepts a path that has the segments of p at its beginning:
// Segments("/a") accepts "/a", "/a/" and "/a/b", and not "/ab". A slash at the
// end of p says nothing. This is PathPrefix of the Gateway API and Envoy's
// path_separated_prefix.
func Segments(p string) Value { return Value{s: p, op: opSegments} }

// Regex accepts what the expression matches from beginning to end. The syntax is
// that of package regexp, which is RE2's. An expression of more than 16 KiB is a
// problem. Those that only name a beginning or an end, such as "us-.*", cost no
// more than [Prefix] and [Suffix]; a newline, which a dot does not match, is not
// looked for there, since no part of a request can hold one.
func Regex(expr string) Value { return Value{s: expr, op: opRegex} }

// Template accepts a path by a pattern in which the segment {*} stands for one
// segment that is not empty, and {**} for any rest, also an empty one:
// "/users/{*}/posts" or "/static/{**}". At most one {**} may be there, no {*}
// may follow it. They stand for the characters that a path may have by RFC 3986, and
// so not for a backslash. This is the path template of Istio's AuthorizationPolicy.
func Template(pattern string) Value { return Value{s: pattern, op: opTemplate} }

// Fold is v without regard to the case of ASCII letters. It cannot be had of a
// Regex, which has (?i), nor of a Template.
func (v Value) Fold() Value {
	v.fold = true
	return v
}

// Not accepts what v does not. See [Request] for what this means for headers.
func (v Value) Not() Value {
	v.not = !v.not
	return v
}

// IsZero reports whether v is the zero Value, which constrains nothing.
func (v Value) IsZero() bool { return v == Value{} }

// String is v in words, such as `exact "v2"` or `not prefix "/a"`.
func (v Value) String() string {
	var s string
	switch v.op {
	case opAny:
		s = "any"
	case opPresent:
		s = "present"
	default:
		s = opNames[v.op] + " " + strconv.Quote(v.s)
	}
	if v.fold {
		s += " in any case"
	}
	if v.not {
		s = "not " + s
	}
	return s
}

var opNames = [...]string{
	opExact:    "exact",
	opPrefix:   "prefix",
	opSuffix:   "suffix",
	opSegments: "segments",
	opRegex:    "regex",
	opTemplate: "template",
}
