package access

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A command gives one value of a Record; an empty text is an unknown one.
type command func(*Record) value

type value struct {
	text   string
	number bool // written without quotes in JSON
}

func text(s string) value          { return value{text: s} }
func number(n int64) value         { return value{strconv.FormatInt(n, 10), true} }
func noValue(*Record) value        { return value{} }
func millis(d time.Duration) value { return number(d.Milliseconds()) }

// commands are those of Envoy's that take no argument, or an optional one that
// changes nothing here.
var commands = map[string]command{
	"PROTOCOL":                       func(r *Record) value { return text(r.Protocol) },
	"RESPONSE_CODE":                  func(r *Record) value { return number(int64(r.Status)) },
	"RESPONSE_CODE_DETAILS":          func(r *Record) value { return text(r.Details) },
	"RESPONSE_FLAGS":                 func(r *Record) value { return text(orDash(string(r.Flags))) },
	"BYTES_RECEIVED":                 func(r *Record) value { return number(r.Received) },
	"BYTES_SENT":                     func(r *Record) value { return number(r.Sent) },
	"DURATION":                       func(r *Record) value { return millis(r.Duration) },
	"UPSTREAM_CLUSTER":               func(r *Record) value { return text(r.Upstream) },
	"UPSTREAM_CLUSTER_RAW":           func(r *Record) value { return text(r.Upstream) },
	"UPSTREAM_HOST":                  func(r *Record) value { return text(r.Endpoint) },
	"UPSTREAM_REMOTE_ADDRESS":        func(r *Record) value { return text(r.Endpoint) },
	"UPSTREAM_REQUEST_ATTEMPT_COUNT": func(r *Record) value { return number(int64(r.Attempts)) },
	"UPSTREAM_TRANSPORT_FAILURE_REASON": func(r *Record) value {
		return text(strings.ReplaceAll(r.Failure, " ", "_"))
	},
	"ROUTE_NAME":                func(r *Record) value { return text(r.Route) },
	"REQUESTED_SERVER_NAME":     func(r *Record) value { return text(tlsOf(r).ServerName) },
	"DOWNSTREAM_REMOTE_ADDRESS": func(r *Record) value { return text(r.Request.RemoteAddr) },
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": func(r *Record) value {
		host, _, err := net.SplitHostPort(r.Request.RemoteAddr)
		if err != nil {
			host = r.Request.RemoteAddr
		}
		return text(host)
	},
	"DOWNSTREAM_LOCAL_ADDRESS": func(r *Record) value {
		if a, ok := r.Request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			return text(a.String())
		}
		return value{}
	},
	// Not known inside of a process.
	"UPSTREAM_LOCAL_ADDRESS":         noValue,
	"CONNECTION_TERMINATION_DETAILS": noValue,
}

// headerCommands read a header: of the request, the answer, the trailer.
var headerCommands = map[string]func(r *Record, name string) string{
	"REQ":              requestHeader,
	"REQUEST_HEADER":   requestHeader,
	"RESP":             func(r *Record, name string) string { return header(r.Header, name) },
	"RESPONSE_HEADER":  func(r *Record, name string) string { return header(r.Header, name) },
	"TRAILER":          func(r *Record, name string) string { return header(r.Trailer, name) },
	"RESPONSE_TRAILER": func(r *Record, name string) string { return header(r.Trailer, name) },
}

// parseCommand reads what stands between two percent signs: a name, an argument
// in parentheses and ":" with the most bytes to write.
func parseCommand(s string) (command, int, error) {
	name, most := s, 0
	arg, hasArg := "", false
	if open := strings.IndexByte(s, '('); open >= 0 {
		end := strings.LastIndexByte(s, ')')
		if end < open {
			return nil, 0, fmt.Errorf("has no closing parenthesis")
		}
		name, arg, hasArg = s[:open], s[open+1:end], true
		s = name + s[end+1:]
	}
	if n, limit, ok := strings.Cut(s, ":"); ok {
		var err error
		if most, err = strconv.Atoi(limit); err != nil || most <= 0 {
			return nil, 0, fmt.Errorf("the length after the colon must be a positive number")
		}
		name = n
	}
	if name == "START_TIME" {
		if hasArg && arg != "" {
			return nil, 0, fmt.Errorf("takes no format here: it is always RFC 3339 in UTC with milliseconds")
		}
		return func(r *Record) value { return text(r.Start.UTC().Format("2006-01-02T15:04:05.000Z")) }, most, nil
	}
	if read, ok := headerCommands[name]; ok {
		first, second, _ := strings.Cut(arg, "?")
		if first == "" {
			return nil, 0, fmt.Errorf("needs the name of a header, such as %s(X-REQUEST-ID)", name)
		}
		return func(r *Record) value {
			v := read(r, first)
			if v == "" && second != "" {
				v = read(r, second)
			}
			return text(v)
		}, most, nil
	}
	if c, ok := commands[name]; ok {
		return c, most, nil
	}
	return nil, 0, fmt.Errorf("is no command known here")
}

// requestHeader is a header of the request, or one of HTTP/2's pseudo headers.
func requestHeader(r *Record, name string) string {
	switch strings.ToLower(name) {
	case ":method":
		return r.Method
	case ":path":
		return r.Path
	case ":authority", "host":
		return r.Host
	case ":scheme":
		if r.Request.TLS != nil || r.Request.URL.Scheme == "https" {
			return "https"
		}
		return "http"
	}
	return header(r.Request.Header, name)
}

func header(h http.Header, name string) string { return strings.Join(h.Values(name), ",") }

func tlsOf(r *Record) *tls.ConnectionState {
	if r.Request.TLS == nil {
		return new(tls.ConnectionState)
	}
	return r.Request.TLS
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
