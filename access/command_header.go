package access

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/oneline"
)

// headerOf is the command that reads a header of the request, the answer or its
// trailer: its first line, or all of those that Envoy keeps on one.
func headerOf(name, header string) (c command, known bool) {
	pseudo := strings.ToLower(header)
	header = http.CanonicalHeaderKey(header)
	var lines func(*Record) []string
	var one bool
	switch name {
	case "REQ", "REQUEST_HEADER":
		if value, known := pseudoHeaders[pseudo]; known {
			return command{value: value}, true
		}
		lines, one = func(r *Record) []string { return r.Request.Header[header] }, oneline.InRequest(header)
	case "RESP", "RESPONSE_HEADER":
		if pseudo == ":status" {
			return text(func(r *Record) string { return strconv.Itoa(r.Status) }), true
		}
		lines, one = func(r *Record) []string { return r.Header[header] }, oneline.InAnswer(header)
	case "TRAILER", "RESPONSE_TRAILER":
		lines, one = func(r *Record) []string { return r.Trailer[header] }, oneline.InAnswer(header)
	default:
		return command{}, false
	}
	return command{
		value: func(dst []byte, r *Record) []byte {
			switch all := lines(r); {
			case len(all) == 0:
				return dst
			case one && len(all) > 1:
				return append(dst, oneline.Join(all)...)
			default:
				return append(dst, all[0]...)
			}
		},
		there: func(r *Record) bool { return len(lines(r)) > 0 },
	}, true
}

// either is the first of two commands that has a value.
func either(c, other command) command {
	return command{
		value: func(dst []byte, r *Record) []byte {
			before := len(dst)
			if dst = c.value(dst, r); len(dst) == before && !c.has(r) {
				dst = other.value(dst, r)
			}
			return dst
		},
		there: func(r *Record) bool { return c.has(r) || other.has(r) },
	}
}

// has reports whether a value that is empty is there all the same.
func (c *command) has(r *Record) bool { return c.there != nil && c.there(r) }

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
