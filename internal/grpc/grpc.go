// Package grpc knows what gRPC's calls look like in HTTP, and how a reply that no
// server has made tells its callers of it.
package grpc

import (
	"net/http"
	"net/url"
	"strings"
)

// Is reports whether a request or an answer is gRPC's, by its content type. As for
// Envoy that ends there or goes on with the format of the messages, as in
// application/grpc+json; gRPC-Web is another protocol.
func Is(h http.Header) bool {
	v := h["Content-Type"]
	return len(v) > 0 && IsType(v[0])
}

// IsType is [Is] for the content type alone.
func IsType(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}

// Status maps a status of HTTP to gRPC's (gRPC over HTTP/2, HTTP to gRPC status
// codes), as Envoy does for its own replies.
func Status(status int) int {
	switch status {
	case http.StatusBadRequest:
		return 13 // internal
	case http.StatusUnauthorized:
		return 16 // unauthenticated
	case http.StatusForbidden:
		return 7 // permission denied
	case http.StatusNotFound:
		return 12 // unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 14 // unavailable
	}
	return 2 // unknown
}

// Message escapes a message as gRPC's headers want it: all but printable ASCII
// without the percent sign.
func Message(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '%' {
			return strings.ReplaceAll(url.PathEscape(s), "%20", " ")
		}
	}
	return s
}
