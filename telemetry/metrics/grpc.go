package metrics

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/access"
)

// grpcStatus is how a call of gRPC ended, or notGRPC. As with Envoy it is what the
// trailer says, or else the header, or else what the status of HTTP means.
func grpcStatus(r *access.Record) int16 {
	if !isGRPC(r.Request.Header) {
		return notGRPC
	}
	for _, values := range [...][]string{
		r.Trailer["Grpc-Status"], r.Header["Grpc-Status"], r.Header[http.TrailerPrefix+"Grpc-Status"],
	} {
		if len(values) > 0 {
			if n, err := strconv.ParseUint(values[0], 10, 15); err == nil {
				return int16(n)
			}
		}
	}
	switch r.Status {
	case 0:
		return grpcNoCode
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

// isGRPC reports whether a request is a call of gRPC.
func isGRPC(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) == 0 {
		return false
	}
	rest, ok := strings.CutPrefix(values[0], "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}
