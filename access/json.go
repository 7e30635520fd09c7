package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sidecarless/mesh"
)

// A member is one key of a JSON format with what it gets.
type member struct {
	key   string // with quotes and colon
	value template
}

// jsonFormat makes an encoder of a JSON object whose values are templates.
func jsonFormat(format string) (func(dst []byte, r *Record) []byte, error) {
	values := map[string]any{}
	if err := json.Unmarshal([]byte(format), &values); err != nil {
		return nil, &mesh.Problem{Field: "format", Reason: "is not a JSON object: " + err.Error()}
	}
	var members []member
	var errs []error
	for key, value := range values {
		field := "format." + key
		s, ok := value.(string)
		if !ok {
			errs = append(errs, &mesh.Problem{Field: field, Value: value, Reason: "must be a string"})
			continue
		}
		t, err := parseTemplate(field, s)
		errs = append(errs, err)
		members = append(members, member{key: string(appendQuoted(nil, key)) + ":", value: t})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return func(dst []byte, r *Record) []byte {
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, m.key...)
			dst = m.value.json(dst, r)
		}
		return append(dst, '}', '\n')
	}, nil
}

// json appends the template filled from r as a JSON value.
func (t template) json(dst []byte, r *Record) []byte {
	start := len(dst)
	dst = append(dst, '"')
	if len(t) == 1 && t[0].command != nil {
		dst = t[0].command.append(dst, r)
		switch {
		case len(dst) == start+1 && !t[0].command.has(r):
			return append(dst[:start], "null"...)
		case t[0].command.number:
			return append(dst[:start], dst[start+1:]...)
		}
	} else {
		dst = t.text(dst, r)
	}
	if !plain(dst[start+1:]) {
		return appendQuoted(dst[:start], string(dst[start+1:]))
	}
	return append(dst, '"')
}

// plain reports whether text can stand in a JSON string as it is.
func plain(text []byte) bool {
	for _, b := range text {
		if b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s { // what is no UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < ' ':
			dst = fmt.Appendf(dst, "\\u%04x", r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
