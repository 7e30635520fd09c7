// Package oneline names the headers that Envoy keeps on one line: whatever is
// added to them is joined with a comma, before any rule looks at them. Lines of all
// other headers stay apart. See O(1) headers in envoy/http/header_map.h, and the
// custom ones of its filters.
package oneline

import "strings"

// either are the names in requests and answers.
var either = set("Cache-Control Content-Encoding Content-Type Proxy-Status Via X-Envoy-Decorator-Operation X-Request-Id")

var requests = set("Accept Accept-Encoding Access-Control-Request-Headers Access-Control-Request-Method Authentication " +
	"Authorization Expect Grpc-Accept-Encoding Grpc-Timeout If-Match If-Modified-Since If-None-Match If-Range " +
	"If-Unmodified-Since Origin Pragma Referer User-Agent X-Client-Trace-Id X-Envoy-Attempt-Count " +
	"X-Envoy-Original-Path X-Forwarded-Client-Cert X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto")

var answers = set("Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods " +
	"Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age Age Date Etag Expires " +
	"Grpc-Message Grpc-Status Last-Modified Location Server Vary X-Envoy-Attempt-Count X-Envoy-Ratelimited " +
	"X-Envoy-Upstream-Service-Time")

func set(names string) map[string]bool {
	all := make(map[string]bool)
	for name := range strings.FieldsSeq(names) {
		all[name] = true
	}
	return all
}

// InRequest reports whether requests have one line of name, a canonical one.
func InRequest(name string) bool { return either[name] || requests[name] }

// InAnswer reports whether answers have one line of name, a canonical one.
func InAnswer(name string) bool { return either[name] || answers[name] }

// Append is lines with one more value at the end of the last. Empty lines are
// overwritten.
func Append(lines []string, value string) []string {
	return []string{Join(append(lines[:len(lines):len(lines)], value))}
}

// Join is lines as one. Empty ones are left out.
func Join(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if b.Len() > 0 && line != "" {
			b.WriteByte(',')
		}
		b.WriteString(line)
	}
	return b.String()
}
