package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/sidecarless/mesh"
)

// Envoy's default format of an access log, and the longer one of Istio's
// sidecars.
const (
	EnvoyText = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ` +
		`%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ` +
		`"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"` + "\n"
	IstioText = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ` +
		`%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" ` +
		`%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ` +
		`"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ` +
		`%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%` + "\n"
)

// Envoy writes each Record to w in a format of Envoy's %COMMANDS%. A format that
// is a JSON object of strings makes one JSON object a line, with numbers where a
// value is one number's command and null where it is unknown; any other is text,
// with "-" for what is unknown. Each record is one Write, and writes do not
// overlap. A command that is not known is a [*mesh.Problem].
func Envoy(w io.Writer, format string) (Sink, error) {
	var (
		encode func(b *bytes.Buffer, r *Record)
		err    error
	)
	if strings.HasPrefix(strings.TrimSpace(format), "{") {
		encode, err = jsonFormat(format)
	} else {
		var t template
		t, err = parseTemplate("format", format)
		encode = t.text
	}
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	buf := new(bytes.Buffer)
	return func(_ context.Context, r Record) {
		mu.Lock()
		defer mu.Unlock()
		buf.Reset()
		encode(buf, &r)
		w.Write(buf.Bytes()) // a log that cannot be written must not fail the request
	}, nil
}

// A template is text with commands in it.
type template []segment

// A segment is literal text, or a command with the most bytes that it may give.
type segment struct {
	literal string
	command command
	most    int
}

// text appends the template filled from r.
func (t template) text(b *bytes.Buffer, r *Record) {
	for i := range t {
		s := &t[i]
		if s.command == nil {
			b.WriteString(s.literal)
			continue
		}
		b.WriteString(s.value(r))
	}
}

func (s *segment) value(r *Record) string {
	v := s.command(r)
	if s.most > 0 && len(v.text) > s.most {
		v.text = v.text[:s.most]
	}
	if v.text == "" {
		return "-"
	}
	return v.text
}

// parseTemplate takes a format apart.
func parseTemplate(field, format string) (template, error) {
	var t template
	literal := func(s string) {
		if s != "" {
			t = append(t, segment{literal: s})
		}
	}
	for rest := format; ; {
		before, after, found := strings.Cut(rest, "%")
		literal(before)
		if !found {
			return t, nil
		}
		inside, next, closed := cutCommand(after)
		switch {
		case !closed:
			return nil, &mesh.Problem{Field: field, Value: "%" + after, Reason: "a command has no closing %; write %% for a percent sign"}
		case inside == "":
			literal("%")
		default:
			c, most, err := parseCommand(inside)
			if err != nil {
				return nil, &mesh.Problem{Field: field, Value: "%" + inside + "%", Reason: err.Error()}
			}
			t = append(t, segment{command: c, most: most})
		}
		rest = next
	}
}

// cutCommand cuts s at the percent sign that ends a command. One inside of
// parentheses does not.
func cutCommand(s string) (inside, rest string, ok bool) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '%':
			if depth <= 0 {
				return s[:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// jsonFormat makes an encoder of a JSON object whose values are templates.
func jsonFormat(format string) (func(*bytes.Buffer, *Record), error) {
	d := json.NewDecoder(strings.NewReader(format))
	if _, err := d.Token(); err != nil {
		return nil, &mesh.Problem{Field: "format", Reason: "is not a JSON object: " + err.Error()}
	}
	type member struct {
		key   []byte
		value template
	}
	var members []member
	var errs []error
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, &mesh.Problem{Field: "format", Reason: "is not a JSON object: " + err.Error()}
		}
		var value string
		if err := d.Decode(&value); err != nil {
			return nil, &mesh.Problem{Field: fmt.Sprintf("format.%s", key), Reason: "must be a string"}
		}
		t, err := parseTemplate(fmt.Sprintf("format.%s", key), value)
		errs = append(errs, err)
		k, _ := json.Marshal(key)
		members = append(members, member{k, t})
	}
	if _, err := d.Token(); err != nil {
		return nil, &mesh.Problem{Field: "format", Reason: "is not a JSON object: " + err.Error()}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return func(b *bytes.Buffer, r *Record) {
		b.WriteByte('{')
		for i, m := range members {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(m.key)
			b.WriteByte(':')
			m.value.json(b, r)
		}
		b.WriteString("}\n")
	}, nil
}

// json appends the template filled from r as a JSON value.
func (t template) json(b *bytes.Buffer, r *Record) {
	if len(t) == 1 && t[0].command != nil {
		v := t[0].command(r)
		switch {
		case v.text == "":
			b.WriteString("null")
			return
		case v.number:
			b.WriteString(v.text)
			return
		}
	}
	var s bytes.Buffer
	t.text(&s, r)
	quoted, err := json.Marshal(s.String())
	if err != nil {
		quoted = []byte(`""`)
	}
	b.Write(quoted)
}
