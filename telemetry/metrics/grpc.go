package metrics

import (
	"net/http"
	"strconv"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/grpc"
)

// grpcStatus is how a call of gRPC ended. As with Envoy it is what the trailer says, or
// else the header, or else what the status of HTTP means.
func grpcStatus(r *access.Record) int16 {
	for _, values := range [...][]string{
		r.Trailer["Grpc-Status"], r.Header["Grpc-Status"], r.Header[http.TrailerPrefix+"Grpc-Status"],
	} {
		if len(values) > 0 {
			if n, err := strconv.ParseUint(values[0], 10, 15); err == nil {
				return int16(n)
			}
		}
	}
	if r.Status == 0 {
		return grpcNoCode
	}
	return int16(grpc.Status(r.Status))
}
