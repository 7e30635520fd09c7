package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// gRPC speaks of failures in answers of 200: in the header when there is no message,
// else in the trailer.
func TestT23FailuresOfGRPCAreFailures(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter)
		sent  int64 // requests, with one retry of what is unavailable
	}{
		"in the header": {func(w http.ResponseWriter) { w.Header().Set("Grpc-Status", "14") }, 2},
		"in the trailer, after a message": {func(w http.ResponseWriter) {
			w.Write([]byte("message"))
			http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "14")
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent.Add(1)
				w.Header().Set("Content-Type", "application/grpc")
				c.serve(w)
			}))
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			defer s.Close()
			u := open(t, upstream.Config{
				Endpoints:   lb.Addrs(s.Listener.Addr().String()),
				Connections: upstream.Connections{Protocol: upstream.HTTP2},
				Retry:       retry.Config{On: []retry.Condition{retry.Unavailable}, Unsafe: true},
				Ejection:    outlier.Config{Consecutive5xx: 10, MaxEjected: mesh.Always},
			})
			res, err := (&http.Client{Transport: u}).Post("http://reviews/svc/Method", "application/grpc", http.NoBody)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			res.Body.Close()
			status := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
			require.Equal(t, "14", status, "the caller sees it, too")
			require.Equal(t, c.sent, sent.Load())
			require.EqualValues(t, c.sent, u.Balancer().Stats().Hosts[0].Failures)
		})
	}
}
