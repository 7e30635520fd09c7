package grpc_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestTheContentTypeTellsGRPC(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/grpc":           true,
		"application/grpc+proto":     true,
		"application/grpc+":          true,
		"application/grpc;charset=x": false,
		"application/grpc-web":       false,
		"application/grpc-web+proto": false,
		"application/grpcx":          false,
		"APPLICATION/GRPC":           false,
		"application/json":           false,
		"":                           false,
	} {
		require.Equal(t, want, grpc.Is(http.Header{"Content-Type": {contentType}}), contentType)
	}
	require.False(t, grpc.Is(http.Header{}))
}

func TestStatuses(t *testing.T) {
	for status, want := range map[int]int{200: 2, 203: 2, 301: 2, 400: 13, 401: 16, 403: 7, 404: 12, 418: 2, 429: 14, 500: 2, 502: 14, 503: 14, 504: 14} {
		require.Equal(t, want, grpc.Status(status), status)
	}
}

func TestMessagesAreEscaped(t *testing.T) {
	for message, want := range map[string]string{
		"":                "",
		"no such route":   "no such route",
		"hello wörld %":   "hello w%C3%B6rld %25",
		"one\ntwo\tthree": "one%0Atwo%09three",
	} {
		require.Equal(t, want, grpc.Message(message))
	}
}
