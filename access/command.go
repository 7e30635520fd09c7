package access

import (
	"crypto/tls"
	"errors"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh"
)

// A command gives one value of a Record.
type command struct {
	value  appender
	number bool               // written without quotes in JSON
	most   int                // bytes of the value, 0 for all
	there  func(*Record) bool // whether there is a value, though it be empty; nil: if it is not empty
}

// An appender appends a value, and nothing where it is not known.
type appender func(dst []byte, r *Record) []byte

func text(value func(*Record) string) command {
	return command{value: func(dst []byte, r *Record) []byte { return append(dst, value(r)...) }}
}

func number(value func(*Record) int64) command {
	return command{number: true, value: func(dst []byte, r *Record) []byte { return strconv.AppendInt(dst, value(r), 10) }}
}

// commandOf is the command of that name among Envoy's that take no argument.
func commandOf(name string) (c command, known bool) {
	switch name {
	case "START_TIME":
		return command{value: func(dst []byte, r *Record) []byte {
			return r.Start.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
		}}, true
	case "PROTOCOL":
		return text(func(r *Record) string { return r.Protocol }), true
	case "RESPONSE_CODE":
		return number(func(r *Record) int64 { return int64(r.Status) }), true
	case "RESPONSE_CODE_DETAILS":
		return text(func(r *Record) string { return r.Details }), true
	case "RESPONSE_FLAGS":
		return text(func(r *Record) string {
			if r.Flags == "" {
				return "-" // also in JSON
			}
			return string(r.Flags)
		}), true
	case "BYTES_RECEIVED":
		return number(func(r *Record) int64 { return r.Received }), true
	case "BYTES_SENT":
		return number(func(r *Record) int64 { return r.Sent }), true
	case "DURATION":
		return number(func(r *Record) int64 { return r.Duration.Milliseconds() }), true
	case "UPSTREAM_CLUSTER":
		return text(statisticsOf), true
	case "UPSTREAM_CLUSTER_RAW":
		return text(func(r *Record) string { return r.Upstream }), true
	case "UPSTREAM_HOST":
		return text(upstreamAddress), true
	case "UPSTREAM_REQUEST_ATTEMPT_COUNT":
		return number(func(r *Record) int64 { return int64(r.Attempts) }), true
	case "UPSTREAM_TRANSPORT_FAILURE_REASON":
		return text(transportFailure), true
	case "ROUTE_NAME":
		return text(func(r *Record) string { return r.Route }), true
	case "REQUESTED_SERVER_NAME":
		return text(func(r *Record) string { return tlsOf(r).ServerName }), true
	case "QUERY_PARAMS":
		return text(query), true
	case "TRACE_ID":
		return text(traceOf((*mesh.Trace).String)), true
	case "SPAN_ID":
		return text(traceOf((*mesh.Trace).SpanString)), true
	case "UPSTREAM_LOCAL_ADDRESS", "CONNECTION_TERMINATION_DETAILS":
		// Not known inside of a process.
		return command{value: func(dst []byte, _ *Record) []byte { return dst }}, true
	}
	return addressOf(name)
}

// parseCommand reads what stands between two percent signs: a name, an argument
// in parentheses and ":" with the most bytes to write.
func parseCommand(s string) (command, error) {
	name, arg, most := s, "", 0
	if open := strings.IndexByte(s, '('); open >= 0 {
		end := strings.LastIndexByte(s, ')')
		if end < open {
			return command{}, errors.New("has no closing parenthesis")
		}
		arg = s[open+1 : end]
		name = s[:open] + s[end+1:]
	}
	name, limit, limited := strings.Cut(name, ":")
	if limited {
		var err error
		if most, err = strconv.Atoi(limit); err != nil || most <= 0 {
			return command{}, errors.New("the length after the colon must be a positive number")
		}
	}
	c, err := parseArgument(name, arg)
	c.most = most
	return c, err
}

// parseArgument is the command of that name with what stands in its parentheses.
func parseArgument(name, arg string) (command, error) {
	switch {
	case name == "START_TIME" && arg != "":
		return startTime(arg)
	case name == "QUERY_PARAM" && arg != "":
		return queryParam(arg), nil
	case name == "PATH" && (arg == "" || arg == "WQ"):
		return text(func(r *Record) string { return r.Path }), nil
	case name == "PATH" && arg == "NQ":
		return text(path), nil
	}
	c, known := commandOf(name)
	first, second, hasSecond := strings.Cut(arg, "?")
	value, ofHeader := headerOf(name, first)
	switch {
	case known && arg != "":
		return c, errors.New("takes no argument here")
	case known:
		return c, nil
	case !ofHeader:
		return c, errors.New("is no command known here")
	case first == "":
		return c, errors.New("needs the name of a header, such as " + name + "(X-REQUEST-ID)")
	case !hasSecond:
		return value, nil
	}
	other, _ := headerOf(name, second)
	return either(value, other), nil
}

// statisticsOf is the name of the upstream in statistics. Those of Istio's clusters
// end in a semicolon.
func statisticsOf(r *Record) string {
	if strings.HasPrefix(r.Upstream, "outbound|") {
		return r.Upstream + ";"
	}
	return r.Upstream
}

// query is what stands behind the path.
func query(r *Record) string {
	_, q, _ := strings.Cut(r.Path, "?")
	return q
}

// path is the path alone.
func path(r *Record) string {
	p, _, _ := strings.Cut(r.Path, "?")
	return p
}

// queryParam is the first parameter of that name, as it was sent.
func queryParam(name string) command {
	find := func(r *Record) (value string, ok bool) {
		for pair := range strings.SplitSeq(query(r), "&") {
			if key, value, _ := strings.Cut(pair, "="); key == name && pair != "" {
				return value, true
			}
		}
		return "", false
	}
	c := text(func(r *Record) string {
		value, _ := find(r)
		return value
	})
	c.there = func(r *Record) bool {
		_, ok := find(r)
		return ok
	}
	return c
}

// transportFailure is why no connection could be made, which Envoy has in the
// details as well.
func transportFailure(r *Record) string {
	_, reason, _ := strings.Cut(strings.TrimSuffix(r.Details, "}"), "{remote_connection_failure|")
	return reason
}

// traceOf is what a request's trace tells, if it has one.
func traceOf(tell func(*mesh.Trace) string) func(*Record) string {
	return func(r *Record) string {
		if t := r.Trace; t != nil {
			return tell(t)
		}
		return ""
	}
}

func tlsOf(r *Record) *tls.ConnectionState {
	if r.Request.TLS == nil {
		return new(tls.ConnectionState)
	}
	return r.Request.TLS
}
