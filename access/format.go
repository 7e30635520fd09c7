package access

import (
	"context"
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
// is a JSON object of strings makes one JSON object a line, with its keys in
// order, numbers where a value is one number's command and null where it is
// unknown; any other is text, with "-" for what is unknown. Each record is one Write, and writes do not
// overlap. A command that is not known is a [*mesh.Problem].
func Envoy(w io.Writer, format string) (Sink, error) {
	var encode func(dst []byte, r *Record) []byte
	var err error
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
	var line []byte
	var record Record // one for all, so that none is allocated
	return func(_ context.Context, r Record) {
		mu.Lock()
		defer mu.Unlock()
		record = r
		line = encode(line[:0], &record)
		record = Record{}
		w.Write(line) // a log that cannot be written must not fail the request
	}, nil
}

// A template is text with commands in it.
type template []segment

// A segment is literal text, or a command if that is not nil.
type segment struct {
	literal string
	command *command
}

// text appends the template filled from r.
func (t template) text(dst []byte, r *Record) []byte {
	for i := range t {
		s := &t[i]
		if s.command == nil {
			dst = append(dst, s.literal...)
			continue
		}
		before := len(dst)
		if dst = s.command.append(dst, r); len(dst) == before && !s.command.has(r) {
			dst = append(dst, '-')
		}
	}
	return dst
}

func (c *command) append(dst []byte, r *Record) []byte {
	before := len(dst)
	dst = c.value(dst, r)
	if c.most > 0 && len(dst) > before+c.most {
		dst = dst[:before+c.most]
	}
	return dst
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
			c, err := parseCommand(inside)
			if err != nil {
				return nil, &mesh.Problem{Field: field, Value: "%" + inside + "%", Reason: err.Error()}
			}
			t = append(t, segment{command: &c})
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
