// Package check collects what is wrong with a configuration, so that a
// constructor can report all of it at once.
package check

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
)

// A List collects problems. Its zero value is ready to use.
type List struct {
	// Prefix stands before every field: the name of the package whose
	// configuration is looked at, such as "retry".
	Prefix string
	errs   []error
}

// Add reports that the value of a field is wrong and why.
func (l *List) Add(field string, value any, format string, args ...any) {
	reason := format
	if len(args) > 0 {
		reason = fmt.Sprintf(format, args...)
	}
	l.errs = append(l.errs, &mesh.Problem{Field: Join(l.Prefix, field), Value: value, Reason: reason})
}

// Include takes over the problems of err, if any, with their fields put below
// field, which takes the place of the Prefix of the List that err came from:
// "retry.Backoff.Base" becomes "upstream.Retry.Backoff.Base".
func (l *List) Include(field string, err error) {
	if err == nil {
		return
	}
	var made *problems
	prefix := ""
	if errors.As(err, &made) {
		prefix = made.prefix
	}
	found := false
	for p := range mesh.Problems(err) {
		q := *p
		q.Field = strings.TrimPrefix(strings.TrimPrefix(q.Field, prefix), ".")
		q.Field = Join(l.Prefix, Join(field, q.Field))
		l.errs = append(l.errs, &q)
		found = true
	}
	if !found {
		l.errs = append(l.errs, &mesh.Problem{Field: Join(l.Prefix, field), Reason: err.Error()})
	}
}

// Share reports a share that is none.
func (l *List) Share(field string, f mesh.Fraction) {
	if !f.Valid() {
		l.Add(field, nil, "is no share of requests: it must be 0 to 100 per cent")
	}
}

// NotNegative reports a duration below zero.
func (l *List) NotNegative(field string, d time.Duration) {
	if d < 0 {
		l.Add(field, d, "must not be negative")
	}
}

// Err is nil if nothing is wrong, and else all problems joined.
func (l *List) Err() error {
	if len(l.errs) == 0 {
		return nil
	}
	return &problems{errors.Join(l.errs...), l.Prefix}
}

// problems are those of a List, whose Prefix [List.Include] has to know.
type problems struct {
	error
	prefix string
}

func (p *problems) Unwrap() error { return p.error }

// Join puts a field below another: "a" and "b" make "a.b", "a" and "[0]" make
// "a[0]".
func Join(parent, field string) string {
	switch {
	case parent == "":
		return field
	case field == "", field[0] == '[':
		return parent + field
	}
	return parent + "." + field
}
