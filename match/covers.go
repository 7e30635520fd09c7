package match

import (
	"slices"
	"strings"
)

// Covers reports whether a accepts every request that b accepts. It may be wrong
// to say no, never to say yes.
func (a Request) Covers(b Request) bool {
	return (a.Port == 0 || a.Port == b.Port) &&
		a.Method.covers(b.Method) &&
		a.Scheme.covers(b.Scheme) &&
		a.Host.covers(b.Host) &&
		a.Path.covers(b.Path) &&
		allCovered(a.Headers, b.Headers, sameHeader, fieldCovers) &&
		allCovered(a.Without, b.Without, sameHeader, withoutCovers) &&
		allCovered(a.Query, b.Query, equal, fieldCovers)
}

// allCovered reports whether each field of a follows from one of b.
func allCovered(a, b []Field, same func(x, y string) bool, covers func(x, y Value) bool) bool {
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y Field) bool { return same(x.Name, y.Name) && covers(x.Value, y.Value) }) {
			return false
		}
	}
	return true
}

func equal(x, y string) bool { return x == y }

// sameHeader compares names of headers. Those of claims have a case.
func sameHeader(x, y string) bool {
	return x == y || strings.EqualFold(x, y) && !strings.HasPrefix(x, "@")
}

// fieldCovers reports whether a header or parameter that fits b fits a.
func fieldCovers(a, b Value) bool {
	a, b = orPresent(a), orPresent(b)
	absent := Present().Not()
	if a == absent || b == absent {
		return a == b
	}
	if a.not != b.not && a.op != opPresent {
		return false // one line may fit b and another one spoil a
	}
	return a.covers(b)
}

// withoutCovers reports whether a header that is without b is without a.
func withoutCovers(a, b Value) bool {
	a, b = orPresent(a), orPresent(b)
	switch {
	case b.op == opPresent && !b.not:
		t, reason := compile(a)
		return reason == "" && (a.op == opPresent || !t.accepts(""))
	case a.op == opPresent:
		return false
	}
	return b.covers(a)
}

// orPresent is v as a [Field] takes it, which asks for presence at least.
func orPresent(v Value) Value {
	if v.op <= opPresent {
		return Value{op: opPresent, not: v.not}
	}
	return v
}

// covers reports whether v accepts every string that w accepts. It may be wrong
// to say no.
func (v Value) covers(w Value) bool {
	switch {
	case v == w:
		return true
	case v.op <= opPresent:
		return !v.not
	case v.not && w.not:
		return w.Not().covers(v.Not())
	case v.op == opExact && w.op == opExact && !v.fold && !v.not:
		return false // what most pairs of rules come to, and quicker than to compile them
	}
	a, reason := compile(v)
	b, reason2 := compile(w)
	if reason != "" || reason2 != "" || w.not || w.op <= opPresent {
		return false
	}
	if b.kind == kindExact && !b.fold {
		return a.accepts(b.head)
	}
	if a.not {
		return apart(&a, &b)
	}
	// Every string that w accepts has b's head, b's tail and b's length. That must
	// be enough for a.
	if a.fold {
		b.head, b.tail = lower(b.head), lower(b.tail)
	} else if b.fold {
		b.kind, b.head, b.tail = kindRegex, b.head[:caseless(b.head)], ""
	}
	switch a.kind {
	case kindAffix:
		return strings.HasPrefix(b.head, a.head) && strings.HasSuffix(b.tail, a.tail) && b.min >= a.min
	case kindSegments:
		return strings.HasPrefix(b.head, a.head+"/") || b.kind == kindSegments && b.head == a.head
	case kindExact:
		return a.fold && b.kind == kindExact && a.head == b.head
	}
	return false
}

// apart reports whether no string is accepted by both, Not aside.
func apart(a, b *test) bool {
	if a.kind == kindExact && !a.fold {
		return !b.hit(a.head)
	}
	if a.fold || b.fold {
		return false
	}
	n := min(len(a.head), len(b.head))
	return a.head[:n] != b.head[:n]
}

// caseless is the length of the beginning of s that has no letters.
func caseless(s string) int {
	i := strings.IndexFunc(s, func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' })
	if i < 0 {
		return len(s)
	}
	return i
}
