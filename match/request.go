package match

// A Request describes requests. All that is set must hold; the zero Request
// accepts every request.
//
// A header may come on several lines. A [Field] of Headers holds if one line
// fits; with [Value.Not] it holds if the header is there and no line fits. Header
// names are compared without regard to case. ":method", ":path" (with the query),
// ":authority" and ":scheme" name the parts of the request, and "Host" is
// ":authority". "@request.auth.claims[a][b]", also written with dots, names a claim
// of the token that was verified for the request (see package authz): it fits if it
// is a text that does, or a list with one.
type Request struct {
	Method Value // with regard to case; RFC 9110 section 9.1
	Scheme Value // "http" or "https"
	Host   Value // the authority as sent, port included
	Path   Value // as sent, without the query

	// Headers must be there and fit. A zero Value asks for presence.
	Headers []Field
	// Without lists headers that must not fit: no line may, and a header that is
	// not there counts as an empty one. A zero Value and Present ask for absence.
	// This is Istio's withoutHeaders.
	Without []Field
	// Query parameters must be there and fit, as sent; of several with one name
	// the first counts. A zero Value asks for presence.
	Query []Field

	// Port is the one that the request is addressed to; zero is any.
	Port uint16
}

// A Field is a condition on a header or a query parameter.
type Field struct {
	Name  string
	Value Value
}

// IsZero reports whether a accepts every request because it sets nothing.
func (a Request) IsZero() bool {
	return a.Method.IsZero() && a.Scheme.IsZero() && a.Host.IsZero() && a.Path.IsZero() && a.Port == 0 &&
		len(a.Headers) == 0 && len(a.Without) == 0 && len(a.Query) == 0
}

// Compare orders descriptions as the Gateway API orders the matches of routes.
// It is negative if a has precedence over b: an exact path before all, then the
// longer path, a method, more headers, more query parameters.
func (a Request) Compare(b Request) int {
	for _, rank := range [...]func(Request) int{
		func(q Request) int { return truth(q.Path.op == opExact) },
		func(q Request) int { return len(q.Path.s) },
		func(q Request) int { return truth(!q.Method.IsZero()) },
		func(q Request) int { return len(q.Headers) + len(q.Without) },
		func(q Request) int { return len(q.Query) },
	} {
		if d := rank(b) - rank(a); d != 0 {
			return d
		}
	}
	return 0
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
