package access

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh"
)

// A command gives one value of a Record.
type command struct {
	value  appender
	number bool // written without quotes in JSON
	most   int  // bytes of the value, 0 for all
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
	case "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW":
		return text(func(r *Record) string { return r.Upstream }), true
	case "UPSTREAM_HOST", "UPSTREAM_REMOTE_ADDRESS":
		return text(func(r *Record) string { return r.Endpoint }), true
	case "UPSTREAM_REQUEST_ATTEMPT_COUNT":
		return number(func(r *Record) int64 { return int64(r.Attempts) }), true
	case "UPSTREAM_TRANSPORT_FAILURE_REASON":
		return text(transportFailure), true
	case "ROUTE_NAME":
		return text(func(r *Record) string { return r.Route }), true
	case "REQUESTED_SERVER_NAME":
		return text(func(r *Record) string { return tlsOf(r).ServerName }), true
	case "DOWNSTREAM_REMOTE_ADDRESS":
		return text(func(r *Record) string { return r.Request.RemoteAddr }), true
	case "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":
		return text(remoteHost), true
	case "DOWNSTREAM_LOCAL_ADDRESS":
		return text(localAddress), true
	case "TRACE_ID":
		return text(traceOf((*mesh.Trace).String)), true
	case "SPAN_ID":
		return text(traceOf((*mesh.Trace).SpanString)), true
	case "UPSTREAM_LOCAL_ADDRESS", "CONNECTION_TERMINATION_DETAILS":
		// Not known inside of a process.
		return command{value: func(dst []byte, _ *Record) []byte { return dst }}, true
	}
	return command{}, false
}

// headerOf is what a command gives that reads a header of the request, the answer
// or its trailer.
func headerOf(command, header string) (value appender, known bool) {
	header = http.CanonicalHeaderKey(header)
	switch command {
	case "REQ", "REQUEST_HEADER":
		if value, known := pseudoHeaders[strings.ToLower(header)]; known {
			return value, true
		}
		return func(dst []byte, r *Record) []byte { return appendHeader(dst, r.Request.Header[header]) }, true
	case "RESP", "RESPONSE_HEADER":
		return func(dst []byte, r *Record) []byte { return appendHeader(dst, r.Header[header]) }, true
	case "TRAILER", "RESPONSE_TRAILER":
		return func(dst []byte, r *Record) []byte { return appendHeader(dst, r.Trailer[header]) }, true
	}
	return nil, false
}

// pseudoHeaders are those of HTTP/2's requests.
var pseudoHeaders = map[string]appender{
	":method":    func(dst []byte, r *Record) []byte { return append(dst, r.Method...) },
	":path":      func(dst []byte, r *Record) []byte { return append(dst, r.Path...) },
	":authority": func(dst []byte, r *Record) []byte { return append(dst, r.Host...) },
	"host":       func(dst []byte, r *Record) []byte { return append(dst, r.Host...) },
	":scheme": func(dst []byte, r *Record) []byte {
		if r.Request.TLS != nil || r.Request.URL.Scheme == "https" {
			return append(dst, "https"...)
		}
		return append(dst, "http"...)
	},
}

// appendHeader appends the values of a header with commas between.
func appendHeader(dst []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return dst
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
	c, known := commandOf(name)
	first, second, hasSecond := strings.Cut(arg, "?")
	value, ofHeader := headerOf(name, first)
	switch {
	case known && arg != "":
		return command{}, errors.New("takes no argument here")
	case known:
	case !ofHeader:
		return command{}, errors.New("is no command known here")
	case first == "":
		return command{}, errors.New("needs the name of a header, such as " + name + "(X-REQUEST-ID)")
	default:
		c.value = value
		if hasSecond {
			other, _ := headerOf(name, second)
			c.value = func(dst []byte, r *Record) []byte {
				before := len(dst)
				if dst = value(dst, r); len(dst) == before {
					dst = other(dst, r)
				}
				return dst
			}
		}
	}
	c.most = most
	return c, nil
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

func remoteHost(r *Record) string {
	host, _, err := net.SplitHostPort(r.Request.RemoteAddr)
	if err != nil {
		return r.Request.RemoteAddr
	}
	return host
}

// localAddress is the address that the caller connected to.
func localAddress(r *Record) string {
	if a, ok := r.Request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}
