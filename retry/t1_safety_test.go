package retry_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/wiretest"
	"github.com/sidecarless/mesh/retry"
)

var quick = retry.Backoff{Base: time.Microsecond, Max: time.Microsecond}

func request(t testing.TB, method, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://svc.example/", strings.NewReader(body))
	require.NoError(t, err)
	if body == "" {
		r.Body, r.GetBody = nil, nil
	}
	return r
}

// TestT1: what may have been acted on is repeated only if that does no harm.
func TestT1OnlySafeRequestsAreRepeated(t *testing.T) {
	// Each server takes the request and closes without an answer.
	for protocol, handle := range map[string]func(net.Conn){
		"HTTP/1.1": wiretest.HTTP1(func(c net.Conn, r *http.Request) {}),
		"HTTP/2":   wiretest.HTTP2(func(s wiretest.H2Stream) { s.Conn.Close() }),
	} {
		for _, tt := range []struct {
			name   string
			config retry.Config
			method string
			key    string
			want   int
		}{
			{"GET", retry.Config{Attempts: 2}, "GET", "", 3},
			{"HEAD", retry.Config{Attempts: 2}, "HEAD", "", 3},
			{"PUT", retry.Config{Attempts: 2}, "PUT", "", 3},
			{"DELETE", retry.Config{Attempts: 2}, "DELETE", "", 3},
			{"OPTIONS", retry.Config{Attempts: 2}, "OPTIONS", "", 3},
			{"POST", retry.Config{Attempts: 2}, "POST", "", 1},
			{"PATCH", retry.Config{Attempts: 2}, "PATCH", "", 1},
			{"POST with a key", retry.Config{Attempts: 2}, "POST", "4711", 3},
			{"POST under an unsafe policy", retry.Config{Attempts: 2, Unsafe: true}, "POST", "", 3},
			{"GET without retries", retry.Config{Attempts: -1}, "GET", "", 1},
			{"GET with the default number", retry.Config{}, "GET", "", 2},
		} {
			t.Run(protocol+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				server := wiretest.Serve(t, handle)
				tt.config.Backoff = quick
				policy := mustNew(t, tt.config)
				r := request(t, tt.method, "")
				if tt.key != "" {
					r.Header.Set("Idempotency-Key", tt.key)
				}
				_, err := policy.Transport(wiretest.NewClient(server.Addr(), protocol == "HTTP/2")).RoundTrip(r)
				require.Equal(t, mesh.MaybeProcessed, mesh.StageOf(err))
				require.Equal(t, tt.want, server.Conns())
			})
		}
	}
}

func TestT1ARequestThatNobodyGotIsRepeated(t *testing.T) {
	for protocol, handle := range map[string]func(net.Conn){
		"HTTP/1.1": wiretest.HTTP1(func(c net.Conn, r *http.Request) { wiretest.Answer(c, 200, "") }),
		"HTTP/2":   wiretest.HTTP2(wiretest.H2Stream.OK),
	} {
		t.Run(protocol+", the port was closed", func(t *testing.T) {
			server := wiretest.Serve(t, handle)
			client := wiretest.NewClient(server.Addr(), protocol == "HTTP/2")
			addrs := []string{wiretest.Refusing(t), server.Addr()}
			client.Addr = func(*http.Request) string {
				addr := addrs[0]
				addrs = addrs[1:]
				return addr
			}
			res, err := mustNew(t, retry.Config{Backoff: quick}).Transport(client).RoundTrip(request(t, "POST", "payload"))
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, 200, res.StatusCode)
			require.Equal(t, 1, server.Conns())
		})
	}
	for name, fail := range map[string]func(wiretest.H2Stream){
		"the stream was refused": func(s wiretest.H2Stream) { s.Reset(wiretest.RefusedStream) },
		"the connection went away before it": func(s wiretest.H2Stream) {
			s.GoAway(0, wiretest.NoError)
		},
	} {
		t.Run("HTTP/2, "+name, func(t *testing.T) {
			var n atomic.Int32
			server := wiretest.Serve(t, wiretest.HTTP2(func(s wiretest.H2Stream) {
				if n.Add(1) == 1 {
					fail(s)
				} else {
					s.OK()
				}
			}))
			client := wiretest.NewClient(server.Addr(), true)
			res, err := mustNew(t, retry.Config{Backoff: quick}).Transport(client).RoundTrip(request(t, "POST", "payload"))
			require.NoError(t, err)
			res.Body.Close()
			require.EqualValues(t, 2, n.Load())
		})
	}
}

func TestT1AnAnswerToAnUnsafeRequestIsFinal(t *testing.T) {
	server := wiretest.Serve(t, wiretest.HTTP1(func(c net.Conn, r *http.Request) { wiretest.Answer(c, 503, "no") }))
	policy := mustNew(t, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, Backoff: quick})
	res, err := policy.Transport(wiretest.NewClient(server.Addr(), false)).RoundTrip(request(t, "POST", "payload"))
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "no", string(body))
	require.Equal(t, 1, server.Conns())
}
