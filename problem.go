package mesh

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// A Problem is one thing that is wrong with a configuration. Constructors
// collect all of them and return them joined; [Problems] takes them apart.
type Problem struct {
	// Source is where it was read, such as "mesh.yaml:12: VirtualService
	// shop/reviews"; empty for a configuration made in Go.
	Source string

	// Field is the path to the value, such as "spec.http[2].retries.retryOn". Of a
	// configuration made in Go it is the package and the field, such as
	// "retry.Backoff.Base" or, of one in a list of arguments, "route[1].Hosts[0]".
	Field string

	// Value is what stands there; nil where that says nothing.
	Value any

	// Reason is what is wrong with it, and what would be right.
	Reason string
}

// Error is the problem in one line: source, field, reason and value.
func (p *Problem) Error() string {
	var b strings.Builder
	for _, part := range []string{p.Source, p.Field} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	b.WriteString(p.Reason)
	if p.Value != nil {
		fmt.Fprintf(&b, " (got %v)", quoteStrings(p.Value))
	}
	return b.String()
}

// quoteStrings makes a string visible that is empty or has spaces.
func quoteStrings(v any) any {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return v
}

// Problems yields every [*Problem] in err, in the order in which they were
// found, however they were joined or wrapped.
func Problems(err error) iter.Seq[*Problem] {
	return func(yield func(*Problem) bool) { walkProblems(err, yield) }
}

func walkProblems(err error, yield func(*Problem) bool) bool {
	if p, ok := err.(*Problem); ok {
		return yield(p)
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			if !walkProblems(e, yield) {
				return false
			}
		}
		return true
	}
	if inner := errors.Unwrap(err); inner != nil {
		return walkProblems(inner, yield)
	}
	return true
}
